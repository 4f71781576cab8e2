"""Numbers that are never given twice."""

from __future__ import annotations

from sqlalchemy import Connection, text

_TAKE = text(
    "INSERT INTO counters (name, next) VALUES (:name, 1 + :many) "
    "ON CONFLICT (name) DO UPDATE SET next = counters.next + :many RETURNING next - :many"
)


def take(connection: Connection, name: str, many: int = 1) -> int:
    """The first of so many consecutive numbers of this counter. Numbers begin with 1."""
    return int(connection.execute(_TAKE, {"name": name, "many": many}).scalar_one())
