"""Many creates are planned and delivered as columns: nothing else differs from creates one by one."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select

from tests.run.world import ON_SQLITE, World, rules
from usersyncd.plugin import Kind
from usersyncd.state import plan_batches
from usersyncd.state.planned import PlannedCreates
from usersyncd.state.sent import unanswered
from usersyncd.state.tables import journal, links

pytestmark = ON_SQLITE

PEOPLE = ("ann", "bob", "cy", "dee")


@pytest.fixture
def columns(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(plan_batches, "MANY", 1)


def company(world: World) -> None:
    world.people(*PEOPLE[:3], title='a "title"\twith \\N')
    world.people(PEOPLE[3], active="false", manager=PEOPLE[0])
    world.group("g", *PEOPLE)


def stored(world: World) -> list[Any]:
    """The links, the journal without its runs, and the hash of the plan."""
    report = world.synced()
    link_columns = (
        links.c.ref,
        links.c.kind,
        links.c.key,
        links.c.digest,
        links.c.active,
        links.c.state,
        links.c.shape,
    )
    entry_columns = (column for column in journal.c if column.name != "run")
    with world.database.read() as connection:
        return [
            report.plan,
            report.counts,
            connection.execute(select(*link_columns).order_by(links.c.ref)).all(),
            connection.execute(select(*entry_columns).order_by(journal.c.seq)).all(),
        ]


@pytest.mark.usefixtures("columns")
def test_links_journal_and_hash_are_those_of_creates_one_by_one(
    world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "single").mkdir()
    worlds = [world, World(tmp_path / "single")]
    for world in worlds:
        company(world)
    together = stored(worlds[0])
    monkeypatch.setattr(plan_batches, "MANY", 1_000)
    assert together == stored(worlds[1])
    assert worlds[0].held() == worlds[1].held()


@pytest.mark.usefixtures("columns")
def test_one_refused_create_costs_no_other(world: World) -> None:
    company(world)
    world.store.faults.refuse = {"bob"}
    report = world.run()
    assert [failed.id for failed in report.targets[0].failed if failed.kind is Kind.USER] == ["bob"]
    assert set(world.held()) == {"ann", "cy", "dee"}
    assert world.members() == {"g": {"ann", "cy", "dee"}}
    world.store.faults.refuse = set()
    assert world.synced().counts.users.create == 1
    assert set(world.held()) == set(PEOPLE)


@pytest.mark.usefixtures("columns")
def test_one_record_that_the_rules_cannot_shape_costs_no_other(world: World) -> None:
    company(world)
    world.target(users=rules(None, "login", login='user.id == "cy" ? "" : user.id'))
    report = world.run()
    assert [failed.id for failed in report.targets[0].failed if failed.kind is Kind.USER] == ["cy"]
    assert len(world.held()) == 3


@pytest.mark.parametrize("moment", ["die_before_commit", "die_after_commit"])
@pytest.mark.usefixtures("columns")
def test_creates_without_an_answer_are_looked_up(world: World, moment: str) -> None:
    company(world)
    setattr(world.store.faults, moment, True)
    assert world.run().status == "failed"
    with world.database.read() as connection:
        steps = unanswered(connection, 1)
    assert [(step.change.id, step.change.after is not None) for step in steps] == [(one, True) for one in PEOPLE]
    setattr(world.store.faults, moment, False)
    world.synced()
    assert set(world.held()) == set(PEOPLE)
    with world.database.read() as connection:
        assert len(connection.execute(select(journal.c.id).where(journal.c.op == "create")).all()) == 5


def test_a_plan_returns_creates_as_columns_and_the_rest_one_by_one(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    batches: list[tuple[bool, int]] = []
    original = plan_batches.batches

    def noted(*arguments: Any) -> Any:
        for batch in original(*arguments):
            batches.append((isinstance(batch, PlannedCreates), len(batch)))
            yield batch

    monkeypatch.setattr(plan_batches, "batches", noted)
    monkeypatch.setattr(plan_batches, "MANY", 3)
    company(world)
    world.synced()
    assert batches == [(True, 4), (False, 1), (False, 1)]
