"""A condition for queries that are constants.

SQLAlchemy needs several times as long to build a query, and to recognize it, as a database needs to find a few rows. So
the queries of a push are built once, when their module is imported, and get their values as parameters.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

import msgspec
from sqlalchemy import Boolean, Column, Dialect, Text, TypeDecorator, bindparam
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql import ColumnElement
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.sql.functions import FunctionElement
from sqlalchemy.types import TypeEngine


def one_of(column: Column[Any], values: str) -> ColumnElement[bool]:
    """The condition that ``column`` is in a collection, which the query gets as its parameter ``values``."""
    return _OneOf(column, bindparam(values, type_=_Values(column.type)))


class _OneOf(FunctionElement[bool]):
    inherit_cache = True
    type = Boolean()

    def self_group(self, against: object = None) -> _OneOf:  # noqa: ARG002 - the signature is SQLAlchemy's
        return self  # SQLAlchemy would write `(…) = 1` for SQLite, which then uses no index.


@compiles(_OneOf)
def _compiled(element: _OneOf, compiler: SQLCompiler, **options: Any) -> str:
    column, values = (compiler.process(part, **options) for part in element.clauses)
    if compiler.dialect.name == "sqlite":
        return f"{column} IN (SELECT value FROM json_each({values}))"  # noqa: S608 - names of columns and parameters
    return f"{column} = ANY ({values})"


class _Values(TypeDecorator[Collection[Any]]):
    """A collection as one parameter: JSON in SQLite, an array in PostgreSQL."""

    impl = Text
    cache_ok = True

    def __init__(self, item: TypeEngine[Any]) -> None:
        super().__init__()
        self.item = item

    def load_dialect_impl(self, dialect: Dialect) -> TypeEngine[Any]:
        return dialect.type_descriptor(Text() if dialect.name == "sqlite" else ARRAY(self.item))

    def process_bind_param(self, value: Collection[Any] | None, dialect: Dialect) -> Any:
        values = list(value or ())
        return msgspec.json.encode(values).decode() if dialect.name == "sqlite" else values
