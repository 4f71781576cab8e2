"""The target id of a row: the identifying columns and their values, as JSON.

A target id names its columns, so it remains readable when other columns identify rows later.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import date, time
from decimal import Decimal
from typing import Any

import msgspec
import sqlalchemy as sa
from sqlalchemy.types import TypeEngine

from usersyncd_sql.faults import Refused
from usersyncd_sql.reflected import Reflected, Row
from usersyncd_sql.values import BINARY, adapter, text

_encode = msgspec.json.Encoder(order="sorted").encode

Columns = tuple[str, ...]
Address = tuple[Columns, Row]
"""Columns that identify a row, and their values."""


def identifying(table: Reflected, key: str, written: frozenset[str]) -> Columns:
    """The columns that identify a row of an application's table.

    Candidates are the primary key, then other unique sets of NOT NULL columns; the key is the last resort. Sets that no
    rule writes come first, because they do not change. ``written``: the columns that rules write.
    """
    primary = [table.primary_key] if table.primary_key else []
    others = [unique for unique in table.uniques if unique not in {(key,), *primary} and _is_whole(table, unique)]
    unmoved = [columns for columns in (*primary, *others) if written.isdisjoint(columns)]
    usable = [columns for columns in (*unmoved, *primary, *others) if _is_json_value(table, columns)]
    return (*usable, (key,))[0]


def encode(columns: Columns, values: Sequence[Any]) -> str:
    """The target id for these values of these columns."""
    return _encode(dict(zip(columns, map(_plain, values), strict=True))).decode()


def decode(table: Reflected, target_id: str | None) -> Address:
    """The columns and values in a target id. Raises Refused if it is None or the table lacks one of the columns."""
    if target_id is None:
        raise Refused("it has no target id, so its row is not known")
    try:
        named: Mapping[str, Any] = json.loads(target_id)
        types = {name: table.columns[name].type for name in named}
        return tuple(named), tuple(_driver(types[name], table.backend, value) for name, value in named.items())
    except (ValueError, KeyError, TypeError, AttributeError):
        raise Refused(f"table `{table.name}` has no columns for the target id {target_id}") from None


def _is_whole(table: Reflected, columns: Columns) -> bool:
    return all(not table.columns[column].nullable for column in columns)


def _is_json_value(table: Reflected, columns: Columns) -> bool:
    return not any(isinstance(table.columns[column].type, sa.JSON | sa.ARRAY | sa.Float) for column in columns)


def _plain(value: Any) -> str | int | None:
    if value is None or isinstance(value, str | int):
        return value
    if isinstance(value, bytes | bytearray | memoryview):
        return bytes(value).hex()
    if isinstance(value, Decimal):
        return int(value) if value == value.to_integral_value() else str(value)
    return value.isoformat() if isinstance(value, date | time) else str(value)


def _driver(kind: TypeEngine[Any], backend: str, value: Any) -> Any:
    if isinstance(kind, BINARY):
        return bytes.fromhex(value)
    return (adapter(kind, backend) or text)(value)
