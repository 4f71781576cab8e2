"""One random day of the state machine: edits of the directories, writes of the application, one run."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from enum import Enum, auto
from random import Random
from typing import Any

from tests.run.links import life as lives
from tests.run.links.judge import Consent, Judge
from tests.run.links.life import ADDRESSES, DIRECTORIES, IDS, NAMES, Edit
from tests.run.links.moody import Death, Mood
from tests.run.links.shop import PROTECTED_ROLE
from usersyncd.plugin import Kind

Chance = Callable[[Random, Kind], Any]


def _place(random: Random, _: Kind) -> int:
    return random.randrange(7)


def _key(random: Random, kind: Kind) -> str:
    return random.choice(ADDRESSES if kind is Kind.USER else NAMES)


def _nothing(_: Random, __: Kind) -> None:
    return None


def _role(random: Random, _: Kind) -> str:
    return random.choice(["user", "admin", PROTECTED_ROLE])


def _truth(random: Random, _: Kind) -> bool:
    return random.random() < 0.5


EDITS: tuple[tuple[Any, tuple[Chance, ...]], ...] = (
    (lives.comes, (_place, _key)),
    (lives.comes, (_place, _key)),
    (lives.moves, (_place, _key)),
    (lives.moves, (_place, _key)),
    (lives.leaves, (_place,)),
    (lives.leaves, (_place,)),
    (lives.comes_back_as, (_place, _place)),
    (lives.swap, (_place, _place)),
    (lives.rotate, (_key,)),
    (lives.rotate, (_nothing,)),
    (lives.hands_over, (_place, _place, _key)),
    (lives.is_renamed, (_place,)),
)
DEATHS: tuple[Death, ...] = ("before", "after", "midway")
WRITES: tuple[tuple[Any, tuple[Chance, ...]], ...] = (
    (Judge.inserts, (_role, _truth, _key)),
    (Judge.promotes, (_place, _role)),
    (Judge.deletes_by_hand, (_place,)),
    (Judge.rewrites, (_place, _key)),
    (Judge.gives_id_away, (_place,)),
)


class Evening(Enum):
    """What comes after the run of a day.

    Nothing; runs until everything is delivered, after changes or by a verification; the state saved or
    restored; a directory removed from the file or added again; a directory renamed; the target moved.
    """

    QUIET = auto()
    DELIVERED = auto()
    VERIFIED = auto()
    SAVED = auto()
    PUT_BACK = auto()
    REMOVED = auto()
    RENAMED = auto()
    MOVED = auto()


@dataclass
class Day:
    """``edits`` change the directories, ``writes`` are those of the application into the target. Then the directory
    ``name`` is delivered: with ``consent``, or while the target fails as ``mood`` says."""

    edits: list[Edit] = field(default_factory=list)
    writes: list[Edit] = field(default_factory=list)
    name: str = DIRECTORIES[0]
    complete: bool = False
    consent: Consent = ()
    mood: Mood | None = None
    evening: Evening = Evening.QUIET

    def __str__(self) -> str:
        done = [f"{edit.__name__}{tuple(map(str, rest))}" for edit, *rest in (*self.edits, *self.writes)]
        how = self.mood or (f"with consent {self.consent}" if self.consent else "")
        return f"{', '.join(done)}; {self.name} {'complete ' * self.complete}{how}; then {self.evening.name}"


def day(seed: int) -> Day:
    """Make a random day: the same seed always gives the same day."""
    random = Random(seed)
    made = Day([_edit(random) for _ in range(random.choice([1, 1, 2, 3, 4]))])
    made.writes = [_of(random, WRITES) for _ in range(random.choice([0, 0, 0, 0, 1, 2]))]
    made.name = random.choice([*DIRECTORIES, DIRECTORIES[0]])
    made.complete = random.random() < 0.3
    if random.random() < 0.4:
        made.mood = mood(random)
    elif random.random() < 0.4:
        made.consent = random.choice(["all", random.sample(IDS[Kind.USER] + IDS[Kind.GROUP], 3)])
    made.evening = random.choices(list(Evening), [74, 8, 5, 4, 3, 3, 2, 1])[0]
    return made


def mood(random: Random) -> Mood:
    """A target that is down, refuses somebody, or dies of some batch."""
    if random.random() < 0.15:
        return Mood(down=True)
    some = frozenset(random.sample(IDS[Kind.USER] + IDS[Kind.GROUP], random.choice([0, 1, 2])))
    if random.random() < 0.3:
        return Mood(refuse=some)
    death: Death = random.choice(DEATHS)
    return Mood(refuse=some if random.random() < 0.3 else frozenset(), death=death, batches=random.choice([0, 0, 1, 2]))


def _edit(random: Random) -> Edit:
    if random.random() < 0.2:
        return random.choice([lives.joins, lives.joins, lives.parts]), random.randrange(7), random.randrange(7)
    return _of(random, EDITS)


def _of(random: Random, choices: tuple[tuple[Any, tuple[Chance, ...]], ...]) -> Edit:
    """To people more often than to teams."""
    kind = random.choice([Kind.USER, Kind.USER, Kind.GROUP])
    what, chances = random.choice(choices)
    return what, kind, *(chance(random, kind) for chance in chances)
