"""PostgreSQL: dates and times that Python cannot represent (infinity, years before Christ, 24:00) are read as text.

psycopg raises an error for them, so one such row would fail all others.
"""

from __future__ import annotations

from typing import Any

from psycopg import Connection, DataError
from psycopg.abc import AdaptContext, Buffer
from psycopg.adapt import Loader
from psycopg.pq import Format

TYPES = ("date", "time", "timetz", "timestamp", "timestamptz", "interval")


def register(connection: Connection[Any]) -> None:
    """Register the lenient loaders on one connection, for arrays and ranges too."""
    for name in TYPES:
        oid = connection.adapters.types[name].oid
        if (exact := connection.adapters.get_loader(oid, Format.TEXT)) is not None:
            connection.adapters.register_loader(oid, _lenient(exact))


def _lenient(exact: type[Any]) -> type[Loader]:
    class Lenient(Loader):
        def __init__(self, oid: int, context: AdaptContext | None = None) -> None:
            super().__init__(oid, context)
            self._exact = exact(oid, context).load

        def load(self, data: Buffer) -> Any:
            try:
                return self._exact(data)
            except DataError:
                return bytes(data).decode()

    return Lenient
