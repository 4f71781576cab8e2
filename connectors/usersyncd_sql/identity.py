"""The target id of a row: the columns that identify it and what they hold, as JSON.

It is read by the names that it holds itself, so that ids of before are understood when other columns identify now.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import date, time
from decimal import Decimal
from typing import Any

import msgspec
import sqlalchemy as sa

from usersyncd_sql.faults import Refused
from usersyncd_sql.reflected import Reflected, Row
from usersyncd_sql.values import adapter, text

_encode = msgspec.json.Encoder(order="sorted").encode

Columns = tuple[str, ...]
Address = tuple[Columns, Row]
"""Columns that identify a row, and what they hold."""


def identifying(table: Reflected, key: str, written: frozenset[str]) -> Columns:
    """The columns that identify a row of an application's table.

    What the rules do not write does not change. So: the primary key, else columns that are unique and take no NULL,
    first where no rule writes them, then all the same; else the key.
    """
    primary = [table.primary_key] if table.primary_key else []
    others = [unique for unique in table.uniques if unique not in {(key,), *primary} and _is_whole(table, unique)]
    unmoved = [columns for columns in (*primary, *others) if written.isdisjoint(columns)]
    usable = [columns for columns in (*unmoved, *primary, *others) if _can_be_told(table, columns)]
    return (*usable, (key,))[0]


def encode(columns: Columns, values: Sequence[Any]) -> str:
    """The target id of a row that holds these values."""
    return _encode(dict(zip(columns, map(_plain, values), strict=True))).decode()


def decode(table: Reflected, target_id: str | None) -> Address:
    """Which columns a target id names, and what they hold. Raises Refused when the table has no such columns."""
    if target_id is None:
        raise Refused("it has no target id, so nothing says which row it is")
    try:
        named: Mapping[str, Any] = json.loads(target_id)
        return tuple(named), tuple(_driver(table.columns[name], table.backend, value) for name, value in named.items())
    except (ValueError, KeyError, TypeError, AttributeError):
        raise Refused(f"table `{table.name}` has no columns for the target id {target_id}") from None


def _is_whole(table: Reflected, columns: Columns) -> bool:
    return all(not table.columns[column].nullable for column in columns)


def _can_be_told(table: Reflected, columns: Columns) -> bool:
    return not any(isinstance(table.columns[column].type, sa.JSON | sa.ARRAY | sa.Float) for column in columns)


def _plain(value: Any) -> str | int | None:
    if value is None or isinstance(value, str | int):
        return value
    if isinstance(value, bytes | bytearray | memoryview):
        return bytes(value).hex()
    if isinstance(value, Decimal):
        return int(value) if value == value.to_integral_value() else str(value)
    return value.isoformat() if isinstance(value, date | time) else str(value)


def _driver(column: sa.Column[Any], backend: str, value: Any) -> Any:
    if isinstance(column.type, sa.LargeBinary):
        return bytes.fromhex(value)
    return (adapter(column, backend) or text)(value)
