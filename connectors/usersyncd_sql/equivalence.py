"""Decides whether a value that was read is only another form of the written value."""

from __future__ import annotations

import math
from datetime import date, datetime, time, timedelta
from decimal import Decimal, InvalidOperation
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects import mysql
from sqlalchemy.types import TypeEngine

from usersyncd.plugin import Value
from usersyncd_sql.tables import RecordTable
from usersyncd_sql.to_json import NotJson, json_converter
from usersyncd_sql.values import Loose, adapter, text

COMPARABLE = (
    sa.String, sa.Integer, sa.Boolean, sa.Numeric, sa.Float, sa.DateTime, sa.Date, sa.Time, sa.JSON, sa.Uuid, sa.ARRAY,
    mysql.BIT,
)  # fmt: skip
"""Types whose forms the connector knows. Values of other types, such as INTERVAL, are never reported as different."""
ROUNDED = timedelta(seconds=1) - timedelta.resolution
"""A column may keep fewer digits of a second."""


def is_same(table: RecordTable, attribute: str, written: Value, held: Value) -> bool:
    """Whether ``held`` is the form in which the attribute's column stores ``written``."""
    if (name := table.names.get(attribute)) is None:
        return True  # The table has no column for it.
    kind = table.columns[name].type
    if not isinstance(kind, COMPARABLE):
        return True
    if written is None or held is None:
        return written is held
    try:
        kept = (adapter(kind, table.backend) or text)(written)
    except ValueError:
        return False
    shown = json_value(kept) if (json_value := json_converter(kind)) else kept
    if isinstance(shown, NotJson) or shown == held or _text(shown) == _text(held):
        return True
    return _alike(kind, kept, shown, held) or (_ignores_case(table, name) and _folded(shown) == _folded(held))


def _alike(kind: TypeEngine[Any], kept: Any, shown: Any, held: Any) -> bool:
    if isinstance(kind, sa.Float) and isinstance(held, int | float) and math.isclose(kept, held, rel_tol=1e-5):
        return True
    if isinstance(kind, Loose):
        return _near(_number(kept), _number(held), 0)
    if isinstance(kind, sa.Numeric | sa.Float):
        return _near(_number(kept), _number(held), 0 if kind.scale is None else Decimal(5).scaleb(-kind.scale - 1))
    if isinstance(kind, sa.DateTime):
        return _near(_moment(shown), _moment(held), ROUNDED)
    if isinstance(kind, sa.Time):
        return _near(_clock(shown), _clock(held), ROUNDED)
    if isinstance(kind, sa.ARRAY):
        return isinstance(held, list) and [text(one) for one in shown] == [text(one) for one in held]
    return False


def _ignores_case(table: RecordTable, column: str) -> bool:
    """Whether case and surrounding spaces are ignored: in the key, if the database ignores them, and if the table has
    triggers. Triggers of applications often write addresses in lower case, and would do so again after every
    correction."""
    comparison = table.comparisons[column]
    # SQLite does not report how it compares: `exact` also covers unique indexes.
    return column == table.key or comparison.triggered or (table.backend != "sqlite" and not comparison.exact)


def _folded(value: Any) -> str:
    return str(value).strip().casefold()


def _text(value: Any) -> str:
    return text(value) if isinstance(value, str | int | float | bool | list | dict) else str(value)


def _near(one: Any, other: Any, by: Any) -> bool:
    """Whether both values exist, and differ by at most ``by``."""
    return one is not None and other is not None and abs(one - other) <= by


def _number(value: Any) -> Decimal | None:
    try:
        number = Decimal(str(value))
    except InvalidOperation:
        return None
    return number if number.is_finite() else None


def _moment(value: Any) -> datetime | None:
    try:
        return datetime.fromisoformat(value)
    except (TypeError, ValueError):
        return None


def _clock(value: Any) -> datetime | None:
    try:
        return datetime.combine(date.min, time.fromisoformat(value).replace(tzinfo=None))
    except (TypeError, ValueError):
        return None
