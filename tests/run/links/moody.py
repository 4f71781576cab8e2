"""Any target, made to fail on demand."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from msgspec.structs import replace

from usersyncd.errors import TargetError
from usersyncd.plugin import Change, Member, Outcome

Death = Literal["before", "after", "midway"]
"""Of a batch nothing was written; all of it, and nothing acknowledged; all of it, and the first change acknowledged."""


@dataclass
class Mood:
    """What goes wrong, until it is set otherwise."""

    down: bool = False
    refuse: frozenset[str] = frozenset()
    """Ids of records that are refused, as records and as members."""
    death: Death | None = None
    batches: int = 0
    """How many batches are answered whole before it dies."""
    deaths: list[str] = field(default_factory=list)
    """What it died of: so that a test knows that it did."""

    def knock(self) -> None:
        if self.down:
            raise TargetError("the target is down", "wait")

    def die(self, death: Death) -> None:
        self.deaths.append(death)
        raise TargetError(f"the target died {death} its commit", "deliver again")

    def now(self) -> Death | None:
        """How it dies of the batch that comes."""
        if self.death is None:
            return None
        self.batches -= 1
        return self.death if self.batches < 0 else None


def moody(connector: Any, mood: Mood) -> Any:
    """The connector's class, made to fail as ``mood`` says."""

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
    """What of a change is not refused."""
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
