"""Counters: each number of a counter is given once."""

from __future__ import annotations

from sqlalchemy import Connection, text

_TAKE = text(
    "INSERT INTO counters (name, next) VALUES (:name, 1 + :many) "
    "ON CONFLICT (name) DO UPDATE SET next = counters.next + :many RETURNING next - :many"
)


def take(connection: Connection, name: str, many: int = 1) -> int:
    """Take ``many`` consecutive numbers of a counter. Returns the first one. A counter starts at 1."""
    return int(connection.execute(_TAKE, {"name": name, "many": many}).scalar_one())
