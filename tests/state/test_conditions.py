"""Conditions of constant queries: each database gets the form in which it uses an index."""

from __future__ import annotations

import pytest
from sqlalchemy import Dialect, select
from sqlalchemy.dialects import sqlite
from sqlalchemy.dialects.postgresql import psycopg

from usersyncd.state.conditions import one_of
from usersyncd.state.tables import records

FORMS = [
    (sqlite.dialect(), "records.ref IN (SELECT value FROM json_each(?))"),
    (psycopg.dialect(), "records.ref = ANY (%(refs)s::BIGINT[])"),  # type: ignore[no-untyped-call]
]


@pytest.mark.parametrize(("dialect", "condition"), FORMS, ids=lambda one: getattr(one, "name", ""))
def test_a_list_is_one_parameter_and_the_condition_stands_alone(dialect: Dialect, condition: str) -> None:
    query = select(records.c.id).where(records.c.gone_at.is_(None), one_of(records.c.ref, "refs"))
    assert str(query.compile(dialect=dialect)).endswith(f"AND {condition}")
