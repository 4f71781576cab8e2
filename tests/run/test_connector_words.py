"""The report and the state database hold a shortened form of every message of a connector."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence

import pytest

from tests.run.items import WHOLE, user
from tests.run.world import ON_SQLITE, Script, World
from usersyncd.errors import SourceError
from usersyncd.plugin import Change, Done, Kind, Outcome, Unread
from usersyncd.state import journal
from usersyncd.testing import MemoryTarget

pytestmark = ON_SQLITE
LONG = "Bearer 0123456789abcdefghij " + "x" * 4_000


def bounded(text: str | None) -> bool:
    return text is not None and len(text) < 2_200 and "0123456789" not in text


@pytest.mark.parametrize("error", [SourceError(LONG, LONG), ValueError(LONG)], ids=["expected", "unexpected"])
def test_a_long_error_of_a_source_is_shortened(world: World, error: Exception, monkeypatch: pytest.MonkeyPatch) -> None:
    async def pull(self: Script, cursor: str | None) -> AsyncIterator[Done]:
        raise error
        yield

    monkeypatch.setattr(Script, "pull", pull)
    report = world.tell()
    assert report.status == "failed"
    assert bounded(report.error)
    with world.database.read() as connection:
        [stored] = journal.history(connection, 1, "acme")
    assert bounded(stored.error)


def test_a_long_reason_of_an_unread_record_is_shortened(world: World) -> None:
    report = world.tell([Unread(Kind.USER, "u1", f"{LONG}\n  → grant it"), user("u2")], WHOLE)
    [failed] = report.failed
    assert bounded(failed.error)
    assert failed.error.endswith("\n  → grant it")


def test_a_long_reason_of_a_refused_change_is_shortened(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    async def refusing(self: MemoryTarget, changes: Sequence[Change]) -> AsyncIterator[Outcome]:
        for _ in changes:
            yield Outcome(error=LONG)

    monkeypatch.setattr(MemoryTarget, "deliver", refusing)
    report = world.tell([user("u1")], WHOLE)
    [failed] = report.targets[0].failed
    assert bounded(failed.error)
