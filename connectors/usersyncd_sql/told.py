"""Converts column values to JSON values: the reverse of values.py."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from typing import Any, Final
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.dialects import mysql
from sqlalchemy.types import TypeEngine

from usersyncd.plugin import Value

Teller = Callable[[Any], Any]


class Unsaid:
    """A value that JSON cannot represent."""


UNSAID: Final = Unsaid()


def teller(kind: TypeEngine[Any]) -> Teller | None:
    """The conversion for a column type; its result is UNSAID if JSON cannot represent the value. None: no
    conversion."""
    if isinstance(kind, sa.Boolean | mysql.BIT) or (isinstance(kind, mysql.TINYINT) and kind.display_width == 1):
        return _boolean
    if isinstance(kind, sa.DateTime):
        return _moment
    if isinstance(kind, sa.JSON):
        return _json
    if isinstance(kind, sa.CHAR):
        return lambda held: held.rstrip(" ") if isinstance(held, str) else told(held)
    return None if isinstance(kind, sa.String | sa.Integer) else told


def told(held: Any) -> Value | Unsaid:
    """The JSON value for a column without a special type, or UNSAID."""
    if held is None or isinstance(held, str | bool | int | float):
        return held
    if isinstance(held, Decimal):
        return int(held) if held == held.to_integral_value() else float(held)
    if isinstance(held, datetime):
        return str(_moment(held))
    if isinstance(held, date | time):
        return held.isoformat()
    if isinstance(held, timedelta) and timedelta(0) <= held < timedelta(days=1):
        return (datetime.min + held).time().isoformat()  # a TIME of MariaDB and MySQL
    if isinstance(held, list | tuple | set):
        return [item for item in map(told, held) if not isinstance(item, Unsaid)]
    if isinstance(held, dict):
        return held
    return str(held) if isinstance(held, UUID) or not isinstance(held, bytes | bytearray | memoryview) else UNSAID


def _boolean(held: Any) -> Any:
    if isinstance(held, bytes) and len(held) == 1:
        held = held[0]
    return bool(held) if held in (0, 1) else told(held)


def _moment(held: Any) -> Any:
    if isinstance(held, str):
        try:
            held = datetime.fromisoformat(held)
        except ValueError:
            return held
    if not isinstance(held, datetime):
        return told(held)
    # A time without a zone was written in UTC.
    moment = held.replace(tzinfo=UTC) if held.tzinfo is None else held.astimezone(UTC)
    return moment.isoformat().replace("+00:00", "Z")


def _json(held: Any) -> Any:
    if isinstance(held, str):
        try:
            return json.loads(held)
        except ValueError:
            return held
    return told(held)
