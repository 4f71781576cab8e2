"""Creates that come as columns: one statement for all of them, and the same rows as one by one."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import msgspec
import pytest

from tests.connectors.sql.changes import DIRECTORY, canonical, create
from tests.connectors.sql.conftest import Runs
from tests.connectors.sql.databases import Database
from usersyncd.plugin import Creates, Kind, Outcome, Value

Start = Callable[..., Runs]

SHAPES: Sequence[dict[str, Value]] = (
    {"title": None, "active": True},
    {"title": "a\ttab", "active": False},
    {"title": "two\nlines\r", "active": True},
    {"title": "\\N", "active": True},
    {"title": 'C:\\ "x" é 🎈', "active": True},
    {"title": "", "active": True},
)


def columns(*keys: str) -> Creates:
    shapes = [canonical(Kind.USER, id=key, **SHAPES[n % len(SHAPES)]) for n, key in enumerate(keys)]
    encoded = [msgspec.json.encode(shape).decode() for shape in shapes]
    return Creates(Kind.USER, DIRECTORY, keys, [msgspec.json.encode(key).decode() for key in keys], encoded)


async def delivered(runs: Runs, creates: Creates) -> list[Outcome]:
    target = runs.target()
    try:
        await target.identity()
        await target.prepare()
        return [outcome async for outcome in target.deliver(creates)]
    finally:
        await target.close()


def rows(database: Database) -> list[tuple[Any, ...]]:
    return database.sql("SELECT id, title, active, deactivated_at IS NULL FROM users ORDER BY id")


@pytest.mark.parametrize("many", [1, 3, 6])
async def test_columns_give_the_rows_of_single_creates(database: Database, start: Start, many: int) -> None:
    creates = columns(*(f"u{n}" for n in range(many)))
    runs = start(create_tables=True)
    outcomes = await delivered(runs, creates)
    assert [outcome.error for outcome in outcomes] == [None] * many
    assert len({outcome.target_id for outcome in outcomes}) == many
    together = rows(database)
    database.sql("DELETE FROM users")
    await runs(*creates)
    assert together == rows(database)
    assert [outcome.target_id for outcome in outcomes] == [runs.links[Kind.USER, DIRECTORY, id_] for id_ in creates.ids]


async def test_a_row_that_exists_is_refused_alone(database: Database, start: Start) -> None:
    runs = start(create_tables=True)
    await runs(create("u1", title="before"))
    outcomes = await delivered(runs, columns("u0", "u1", "u2"))
    assert [outcome.error is None for outcome in outcomes] == [True, False, True]
    assert "already exists" in str(outcomes[1].error)
    assert [(id_, title) for id_, title, *_ in rows(database)] == [
        ("u0", None),
        ("u1", "before"),
        ("u2", "two\nlines\r"),
    ]


async def test_a_value_that_the_database_cannot_store_is_refused_alone(database: Database, start: Start) -> None:
    creates = columns("u0", "u1")
    creates.shapes = [creates.shapes[0], creates.shapes[1].replace("tab", "\\u0000")]
    outcomes = await delivered(start(create_tables=True), creates)
    assert outcomes[0].error is None
    assert (outcomes[1].error is None) is (database.dialect != "postgresql")
