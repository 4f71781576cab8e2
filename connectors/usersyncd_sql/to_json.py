"""Converts column values to JSON values: the reverse of values.py."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from typing import Any, Final
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.dialects import mysql
from sqlalchemy.types import TypeEngine

from usersyncd.plugin import Value
from usersyncd_sql.values import Loose

JsonConverter = Callable[[Any], Any]


class NotJson:
    """A value that JSON cannot represent."""


NOT_JSON: Final = NotJson()
LARGE: Final = 2**63
ITEM: Final = re.compile(r'("(?:[^"\\]|\\.)*")|([^",{}\\]+)', re.DOTALL)
ARRAY: Final = re.compile(rf"\{{(?:(?:{ITEM.pattern})(?:,(?:{ITEM.pattern}))*)?\}}", re.DOTALL)
"""A PostgreSQL array of one dimension, and one of its items (manual, "Array Input and Output Syntax")."""


def json_converter(kind: TypeEngine[Any]) -> JsonConverter | None:
    """The conversion for a column type; its result is NOT_JSON if JSON cannot represent the value. None: no
    conversion."""
    if isinstance(kind, sa.Boolean | mysql.BIT) or (isinstance(kind, mysql.TINYINT) and kind.display_width == 1):
        return _boolean
    if isinstance(kind, sa.DateTime):
        return _moment
    if isinstance(kind, sa.JSON):
        return _json
    if isinstance(kind, sa.ARRAY):
        return _array
    if isinstance(kind, sa.LargeBinary | sa.BINARY | sa.VARBINARY):
        return _binary
    if isinstance(kind, sa.CHAR):
        return lambda held: held.rstrip(" ") if isinstance(held, str) else json_value(held)
    return None if isinstance(kind, sa.String | sa.Integer) and not isinstance(kind, Loose) else json_value


def json_value(held: Any) -> Value | NotJson:
    """The JSON value for a column without a special type, or NOT_JSON."""
    if held is None or isinstance(held, str | bool | int):
        return held
    if isinstance(held, float | Decimal):
        return _number(held)
    if isinstance(held, datetime):
        return str(_moment(held))
    if isinstance(held, date | time):
        return held.isoformat()
    if isinstance(held, timedelta) and timedelta(0) <= held < timedelta(days=1):
        return (datetime.min + held).time().isoformat()  # a TIME of MariaDB and MySQL
    if isinstance(held, list | tuple | set):
        return [item for item in map(json_value, held) if not isinstance(item, NotJson)]
    if isinstance(held, dict):
        return held
    return str(held) if isinstance(held, UUID) or not isinstance(held, bytes | bytearray | memoryview) else NOT_JSON


def _number(held: float | Decimal) -> Value:
    """A number; as text if JSON cannot represent it, such as NaN, or it is too large."""
    if not math.isfinite(held) or (isinstance(held, Decimal) and abs(held) >= LARGE):
        return str(held)
    if isinstance(held, float):
        return held
    return int(held) if held == held.to_integral_value() else float(held)


def _array(held: Any) -> Any:
    """A list. psycopg does not know the types of extensions and applications, and returns their arrays as text."""
    if not isinstance(held, str) or not ARRAY.fullmatch(held):
        return json_value(held)
    items = [(quoted, re.sub(r"\\(.)", r"\1", quoted[1:-1]), plain) for quoted, plain in ITEM.findall(held)]
    return [text if quoted else (None if plain == "NULL" else plain) for quoted, text, plain in items]


def _binary(held: Any) -> Any:
    """The text in a binary column: some applications store names in one."""
    try:
        return bytes(held).decode() if isinstance(held, bytes | bytearray | memoryview) else json_value(held)
    except UnicodeDecodeError:
        return NOT_JSON


def _boolean(held: Any) -> Any:
    if isinstance(held, bytes):
        held = int.from_bytes(held)
    return bool(held) if held in (0, 1) else json_value(held)


def _moment(held: Any) -> Any:
    if isinstance(held, str):
        try:
            held = datetime.fromisoformat(held)
        except ValueError:
            return held
    if not isinstance(held, datetime):
        return json_value(held)
    try:
        # A time without a zone was written in UTC.
        moment = held.replace(tzinfo=UTC) if held.tzinfo is None else held.astimezone(UTC)
    except OverflowError:  # The year 10000 in UTC.
        return held.isoformat()
    return moment.isoformat().replace("+00:00", "Z")


def _json(held: Any) -> Any:
    if isinstance(held, str):
        try:
            found = json.loads(held)
        except ValueError:
            return held
        return held if found is None else json_value(found)  # The text "null", once psycopg has decoded it.
    return json_value(held)
