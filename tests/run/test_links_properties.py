"""A state machine: no account passes to another person by accident, whatever changes or fails.

It runs over a target in memory, over the tables of applications, and over usersyncd's own, in SQLite and PostgreSQL.
"""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis.stateful import run_state_machine_as_test

from tests.run.links.machine import Links
from tests.run.links.shop import TABLES, MemoryShop, Shop, postgresql_shop, sqlite_shop
from tests.servers.postgres import Postgres

SHORT = settings(
    stateful_step_count=15,
    deadline=None,
    suppress_health_check=list(HealthCheck),
    phases=(Phase.explicit, Phase.reuse, Phase.generate, Phase.shrink),
)

LONG = settings(SHORT, stateful_step_count=25)


def live(make: Any, chosen: settings) -> None:
    """Return the machine's class for a target. ``make`` gets the machine's folder and returns the target."""

    class Here(Links):
        def shop(self) -> Shop:
            made: Shop = make(self.folder)
            return made

    run_state_machine_as_test(Here, settings=chosen)


@pytest.mark.parametrize(("ruled", "examples"), [(True, 7), (False, 3)], ids=["ruled", "plain"])
def test_links_in_memory(ruled: bool, examples: int) -> None:
    live(lambda _: MemoryShop(ruled), settings(SHORT, max_examples=examples))


@pytest.mark.slow
@pytest.mark.parametrize(("ruled", "examples"), [(True, 3_200), (False, 800)], ids=["ruled", "plain"])
def test_links_in_memory_at_length(ruled: bool, examples: int) -> None:
    live(lambda _: MemoryShop(ruled), settings(LONG, max_examples=examples))


@pytest.mark.parametrize("tables", TABLES)
def test_links_on_sqlite(tables: str) -> None:
    live(lambda folder: sqlite_shop(TABLES[tables], folder), settings(SHORT, max_examples=2))


@pytest.mark.slow
@pytest.mark.parametrize("tables", TABLES)
def test_links_on_sqlite_at_length(tables: str) -> None:
    live(lambda folder: sqlite_shop(TABLES[tables], folder), settings(LONG, max_examples=50))


@pytest.mark.parametrize("tables", TABLES)
def test_links_on_postgresql(postgres: Postgres, tables: str) -> None:
    url = postgres.database()
    live(lambda _: postgresql_shop(TABLES[tables], url), settings(SHORT, max_examples=1, stateful_step_count=10))


@pytest.mark.slow
@pytest.mark.parametrize("tables", TABLES)
def test_links_on_postgresql_at_length(postgres: Postgres, tables: str) -> None:
    url = postgres.database()
    live(lambda _: postgresql_shop(TABLES[tables], url), settings(LONG, max_examples=50))
