"""Converts the values of a shape, which are JSON values, to the type of a column."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable
from datetime import UTC, date, datetime, time
from decimal import Decimal, InvalidOperation
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.dialects import mysql
from sqlalchemy.types import TypeEngine

from usersyncd.plugin import Value

BINARY = (sa.LargeBinary, sa.BINARY, sa.VARBINARY)
WHOLE = re.compile(r"\s*[+-]?[0-9]+\s*")
SHORT_WHOLE = re.compile(r"0|-?[1-9][0-9]{0,17}")
"""A whole number of 64 bits in SQLite's notation."""
Adapter = Callable[[Any], Any]
"""Converts a value other than None for the driver. Raises ValueError with the reason if it does not fit."""


class Loose(sa.Text):
    """A column of SQLite with an unknown declared type, such as INET: it stores text and numbers. Text that is a number
    becomes one."""


def adapter(kind: TypeEngine[Any], backend: str) -> Adapter | None:
    """The conversion for a column type; None for a text without a length limit, which accepts any ``str``."""
    if isinstance(kind, Loose):
        return _loose
    if isinstance(kind, sa.Enum):
        return _one_of(tuple(kind.enums))
    if isinstance(kind, sa.Boolean):
        return _boolean
    if isinstance(kind, sa.Integer):
        whole = _ranged(_bits_of(kind, backend), signed=not getattr(kind, "unsigned", False))
        # BOOLEAN of MariaDB and MySQL
        return _or_boolean(whole) if isinstance(kind, mysql.TINYINT) and kind.display_width == 1 else whole
    if isinstance(kind, mysql.BIT):
        return _bits
    if isinstance(kind, mysql.YEAR):
        return _integer
    if isinstance(kind, sa.Numeric | sa.Float):
        takes = _decimal if backend == "postgresql" else _finite
        return _as_float(takes) if isinstance(kind, sa.Float) or backend == "sqlite" else takes
    if isinstance(kind, sa.DateTime):
        return _datetime(aware=kind.timezone, text=backend == "sqlite")
    if isinstance(kind, sa.Date):
        return _date_text if backend == "sqlite" else _date
    if isinstance(kind, sa.Time):
        return _time_text if backend == "sqlite" else _time
    if isinstance(kind, sa.JSON):
        return _json
    if isinstance(kind, sa.Uuid):
        return _uuid if backend == "postgresql" else _uuid_text
    if isinstance(kind, sa.ARRAY):
        return _array
    if isinstance(kind, BINARY) and backend != "sqlite":
        return _binary
    if isinstance(kind, sa.String):
        # SQLite does not enforce a length, and the length of a SET applies to each of its members.
        limit = None if backend == "sqlite" or isinstance(kind, mysql.SET) else kind.length
        return _limited(limit) if limit is not None else None
    return text


def text(value: Value) -> str:
    """Any value as text; everything but text as JSON."""
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def _loose(value: Value) -> str | int | float:
    if isinstance(value, str):
        return int(value) if SHORT_WHOLE.fullmatch(value) else value
    return value if isinstance(value, int | float) else text(value)


def _limited(limit: int) -> Adapter:
    def adapt(value: Value) -> str:
        result = text(value)
        if len(result) > limit:
            raise ValueError(f"accepts {limit} characters, but {_short(result)} has {len(result)}")
        return result

    return adapt


def _one_of(allowed: tuple[str, ...]) -> Adapter:
    def adapt(value: Value) -> str:
        result = text(value)
        if result not in allowed:
            raise ValueError(f"accepts one of {', '.join(allowed)}, not {_short(value)}")
        return result

    return adapt


def _boolean(value: Value) -> bool:
    if value in (True, False, "true", "false"):
        return value in (True, "true")
    raise ValueError(f"accepts true or false, not {_short(value)}")


def _integer(value: Value) -> int:
    if isinstance(value, int) or (isinstance(value, float) and value.is_integer()):
        return int(value)
    if isinstance(value, str) and WHOLE.fullmatch(value):
        try:
            return int(value)
        except ValueError:
            pass  # thousands of digits
    raise ValueError(f"accepts a whole number, not {_short(value)}")


def _bits_of(kind: sa.Integer, backend: str) -> int:
    """The maximum number of bits of a whole number in a column."""
    if backend == "sqlite" or isinstance(kind, sa.BigInteger):
        return 64
    if isinstance(kind, mysql.TINYINT):
        return 8
    if isinstance(kind, sa.SmallInteger):
        return 16
    return 24 if isinstance(kind, mysql.MEDIUMINT) else 32


def _ranged(bits: int, *, signed: bool) -> Adapter:
    lowest, highest = (-(2 ** (bits - 1)), 2 ** (bits - 1) - 1) if signed else (0, 2**bits - 1)

    def adapt(value: Value) -> int:
        number = _integer(value)
        if not lowest <= number <= highest:
            raise ValueError(f"accepts a whole number from {lowest} to {highest}, not {_short(value)}")
        return number

    return adapt


def _or_boolean(whole: Adapter) -> Adapter:
    return lambda value: int(value == "true") if value in ("true", "false") else whole(value)


def _bits(value: Value) -> int:
    """The number in a BIT column of MariaDB and MySQL, where 1 is true."""
    return int(value == "true") if value in ("true", "false") else _integer(value)


def _as_float(takes: Callable[[Value], Decimal]) -> Adapter:
    return lambda value: float(takes(value))


def _finite(value: Value) -> Decimal:
    """A number that MariaDB, MySQL and SQLite accept: they have no NaN or infinity."""
    number = _decimal(value)
    if not math.isfinite(float(number)):
        raise ValueError(f"accepts a number, not {_short(value)}")
    return number


def _decimal(value: Value) -> Decimal:
    if isinstance(value, int | float | str):
        try:
            number = Decimal(str(int(value) if isinstance(value, bool) else value))
        except InvalidOperation:
            pass
        else:
            if not number.is_snan():
                return number
    raise ValueError(f"accepts a number, not {_short(value)}")


def _datetime(*, aware: bool, text: bool) -> Adapter:
    def adapt(value: Value | datetime) -> datetime | str:
        moment = value if isinstance(value, datetime) else _moment(value)
        try:
            moment = moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
        except OverflowError:
            raise ValueError(f"accepts a time of the years 1 to 9999 in UTC, not {_short(value)}") from None
        if not aware:
            moment = moment.replace(tzinfo=None)
        return moment.isoformat(sep=" ") if text else moment

    return adapt


def _moment(value: Value) -> datetime:
    if isinstance(value, str):
        try:
            return datetime.fromisoformat(value)
        except ValueError:
            pass
    raise ValueError(f"accepts a date and time, such as 2026-06-30T17:00:00Z, not {_short(value)}")


def _date(value: Value) -> date:
    if isinstance(value, str):
        try:
            return datetime.fromisoformat(value).date()
        except ValueError:
            pass
    raise ValueError(f"accepts a date, such as 2026-06-30, not {_short(value)}")


def _date_text(value: Value) -> str:
    return _date(value).isoformat()


def _time(value: Value) -> time:
    if isinstance(value, str):
        try:
            return time.fromisoformat(value)
        except ValueError:
            pass
    raise ValueError(f"accepts a time, such as 17:00, not {_short(value)}")


def _time_text(value: Value) -> str:
    return _time(value).isoformat()


def _json(value: Value) -> str:
    return json.dumps(value, ensure_ascii=False)


def _uuid(value: Value) -> UUID:
    if isinstance(value, str):
        try:
            return UUID(value)
        except ValueError:
            pass
    raise ValueError(f"accepts a UUID, not {_short(value)}")


def _uuid_text(value: Value) -> str:
    return str(_uuid(value))


def _binary(value: Value) -> bytes:
    """A text as bytes; also in PostgreSQL's notation ``\\x616263``."""
    written = text(value)
    if written.startswith("\\x"):
        try:
            return bytes.fromhex(written[2:])
        except ValueError:
            pass
    return written.encode()


def _array(value: Value) -> list[str]:
    return [text(item) for item in (value if isinstance(value, list) else [value])]


def _short(value: Any) -> str:
    shown = repr(value)
    return shown if len(shown) <= 60 else f"{shown[:57]}…"
