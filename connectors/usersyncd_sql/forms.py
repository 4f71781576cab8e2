"""Whether a value that was read is only another form of the one that was written."""

from __future__ import annotations

import math
from datetime import datetime, timedelta
from decimal import ROUND_HALF_UP, Decimal
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects import mysql
from sqlalchemy.types import TypeEngine

from usersyncd.plugin import Value
from usersyncd_sql.tables import RecordTable
from usersyncd_sql.told import Unsaid, teller
from usersyncd_sql.values import adapter, text

COMPARABLE = (
    sa.String, sa.Integer, sa.Boolean, sa.Numeric, sa.Float, sa.DateTime, sa.Date, sa.Time, sa.JSON, sa.Uuid, sa.ARRAY,
    mysql.BIT,
)  # fmt: skip
"""Types of which the connector knows the forms. Values of others, as INTERVAL, are never said to differ."""
ROUNDED = timedelta(seconds=1)
"""A column may keep fewer digits of a second."""


def is_same(table: RecordTable, attribute: str, written: Value, held: Value) -> bool:
    """Whether ``held`` is what the attribute's column makes of ``written``."""
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
    shown = told(kept) if (told := teller(kind)) else kept
    if isinstance(shown, Unsaid) or shown == held or _text(shown) == _text(held):
        return True
    return _alike(kind, kept, shown, held) or (_ignores_case(table, name) and _folded(shown) == _folded(held))


def _alike(kind: TypeEngine[Any], kept: Any, shown: Any, held: Any) -> bool:
    if isinstance(kind, sa.Float):
        return isinstance(held, int | float) and math.isclose(kept, held, rel_tol=1e-5)
    if isinstance(kind, sa.Numeric) and kind.scale is not None:
        digits = Decimal(1).scaleb(-kind.scale)
        return isinstance(held, int | float) and Decimal(str(kept)).quantize(digits, ROUND_HALF_UP) == Decimal(
            str(held)
        )
    if isinstance(kind, sa.DateTime):
        one, other = _moment(shown), _moment(held)
        return one is not None and other is not None and abs(one - other) < ROUNDED
    if isinstance(kind, sa.Time):
        return str(shown).partition("+")[0] == str(held).partition("+")[0]
    if isinstance(kind, sa.ARRAY):
        return isinstance(held, list) and [text(one) for one in shown] == [text(one) for one in held]
    return False


def _ignores_case(table: RecordTable, column: str) -> bool:
    """Whether the database takes upper and lower case for equal. SQLite does not say: only the key counts there, which
    triggers of applications often change."""
    return column == table.key or (table.backend != "sqlite" and not table.comparisons[column].exact)


def _folded(value: Any) -> str:
    return str(value).strip().casefold()


def _text(value: Any) -> str:
    return text(value) if isinstance(value, str | int | float | bool | list | dict) else str(value)


def _moment(value: Any) -> datetime | None:
    try:
        return datetime.fromisoformat(value)
    except (TypeError, ValueError):
        return None
