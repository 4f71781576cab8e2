"""A wrapper that makes any target fail on demand."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from msgspec.structs import replace

from usersyncd.errors import TargetError
from usersyncd.plugin import Change, Member, Outcome

Death = Literal["before", "after", "midway"]
"""``before``: nothing of the batch is written. ``after``: all is written and nothing acknowledged. ``midway``: all is
written, and only the first change acknowledged."""


@dataclass
class Mood:
    """The faults of the target. They stay until the test changes them."""

    down: bool = False
    refuse: frozenset[str] = frozenset()
    """Ids of records that the target refuses, as records and as members."""
    death: Death | None = None
    batches: int = 0
    """The number of batches that the target acknowledges before it fails."""
    deaths: list[str] = field(default_factory=list)
    """The failures so far, so that a test can check that they happened."""

    def knock(self) -> None:
        if self.down:
            raise TargetError("the target is down", "wait")

    def die(self, death: Death) -> None:
        self.deaths.append(death)
        raise TargetError(f"the target died {death} its commit", "deliver again")

    def now(self) -> Death | None:
        """Return how the target fails in the next batch, or None."""
        if self.death is None:
            return None
        self.batches -= 1
        return self.death if self.batches < 0 else None


def moody(connector: Any, mood: Mood) -> Any:
    """Return a subclass of the connector that fails as ``mood`` says."""

    class Moody(connector):  # type: ignore[misc]
        async def identity(self) -> str:
            mood.knock()
            return str(await super().identity())

        async def deliver(self, changes: Sequence[Change]) -> AsyncIterator[Outcome]:
            mood.knock()
            death = mood.now()
            if death == "before":
                mood.die(death)
            given = [granted for change in changes if (granted := _granted(change, mood.refuse)) is not None]
            answers = iter([outcome async for outcome in super().deliver(given)])
            if death == "after":
                mood.die(death)
            for number, change in enumerate(changes):
                if death == "midway" and number == 1:
                    mood.die(death)
                yield _answer(change, mood.refuse, answers)
            if death is not None:
                mood.die(death)

    return Moody


def _granted(change: Change, refuse: frozenset[str]) -> Change | None:
    """Return the part of a change that the target does not refuse."""
    if change.id in refuse:
        return None
    if not change.members:
        return change
    granted = tuple(member for member in change.members if member.id not in refuse)
    return replace(change, members=granted) if granted else None


def _answer(change: Change, refuse: frozenset[str], answers: Any) -> Outcome:
    if change.id in refuse:
        return Outcome(error=f"the target refuses {change.id}")
    refused = {member.id: "the target refuses it" for member in _refused(change, refuse)}
    if change.members and len(refused) == len(change.members):
        return Outcome(refused=refused)
    answer: Outcome = next(answers)
    return replace(answer, refused=answer.refused | refused)


def _refused(change: Change, refuse: frozenset[str]) -> Sequence[Member]:
    return [member for member in change.members if member.id in refuse]
