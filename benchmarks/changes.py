"""What a pull of 100 mixed changes costs, from a source in memory to a target in memory, with the state in SQLite.

Run: ``python -m benchmarks.changes [people…]``. 20,000 people are the quick form; ``100_000 1_000_000`` is the long one
(20 minutes), which also prints how the cost grows with the directory. A directory of so many people, with 20
times fewer groups of 100 members, one group of 50,000, and groups in groups, is synchronised once. Then it tells 100
changes at a time: people who come, leave, get another name, title or manager, members of small groups and of the large
one, a new group, and a group that enters or leaves another one. What is measured is the CPU time from the begin of the
run to the finished plan, by step, once with rules that read ``user.groups`` and once without. The floor is sqlite3: it
looks up 100 records by id in a copy of the same database, writes them again, and commits.
"""

from __future__ import annotations

import asyncio
import random
import shutil
import sqlite3
import statistics
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import nullcontext
from datetime import timedelta
from itertools import pairwise
from pathlib import Path
from typing import Any, ClassVar

from benchmarks import table
from pydantic import BaseModel, Field

from usersyncd import logs
from usersyncd.config import DirectoryConfig, TargetConfig
from usersyncd.core.model import Guard, Leavers, Rule, Ruleset
from usersyncd.job import delivery_jobs, job
from usersyncd.options import RunOptions
from usersyncd.plugin import (
    API,
    DELIVERED,
    Capabilities,
    Change,
    Done,
    Gone,
    Held,
    Kind,
    Lookup,
    Members,
    Op,
    Options,
    Outcome,
    Page,
    Record,
    SourceContext,
    TargetContext,
)
from usersyncd.progress import Progress
from usersyncd.state.database import Database, open_database
from usersyncd.sync import sync

ROUNDS = 7
LARGE = 50_000
"""The members of the large group, or half of the people where these are fewer."""
UNLIMITED = Guard(
    deletes=None, deactivations=None, member_removals=None, adoptions=None, reactivations=None, blanked=None,
    emptied=None,
)  # fmt: skip
"""The cost of a guard is not measured here: near a limit, it counts all objects of the target."""
STEPS = ("reading", "saving", "planning")


class GivenOptions(Options):
    """The items of the next pull, and whether the pull is complete."""

    items: list[Any] = Field(exclude=True)
    complete: bool = False


class Given:
    """A source that reports the items of its options."""

    api: ClassVar[int] = API
    Options: ClassVar[type[BaseModel]] = GivenOptions
    mapping: ClassVar[Mapping[Kind, Mapping[str, str]]] = {}

    def __init__(self, options: GivenOptions, _context: SourceContext) -> None:
        self._options = options

    async def pull(self, _cursor: str | None) -> AsyncIterator[Page | Done]:
        items = self._options.items
        for start in range(0, len(items), 1_000):
            yield items[start : start + 1_000]
        yield Done("next", complete=self._options.complete)

    async def check(self) -> Sequence[str]:
        return []


class SinkOptions(Options):
    """No options."""


class Sink:
    """A target that acknowledges every change and stores nothing."""

    api: ClassVar[int] = API
    Options: ClassVar[type[BaseModel]] = SinkOptions
    capabilities: ClassVar[Capabilities] = Capabilities(find=None, read=False, rename=True)

    def __init__(self, options: SinkOptions, context: TargetContext) -> None:
        pass

    async def identity(self) -> str:
        return "sink"

    async def prepare(self) -> None:
        pass

    async def deliver(self, changes: Sequence[Change]) -> AsyncIterator[Outcome]:
        for change in changes:
            made = change.op in (Op.CREATE, Op.ADOPT)
            yield Outcome(target_id=f"{change.kind}-{change.id}") if made else DELIVERED

    def find(self, _kind: Kind, _lookups: Sequence[Lookup]) -> AsyncIterator[tuple[Lookup, Held]]:
        raise NotImplementedError

    def read(self, _kind: Kind, _target_ids: Sequence[str]) -> AsyncIterator[Held]:
        raise NotImplementedError

    async def check(self) -> Sequence[str]:
        return []

    async def close(self) -> None:
        pass


class Company:
    """A company and its changes, the same in every run."""

    def __init__(self, people: int) -> None:
        self._people = people
        self._groups = people // 20
        self._large = min(LARGE, people // 2)
        self._random = random.Random(7)
        self._came = people

    def whole(self) -> list[Any]:
        """Return all items, for the first pull."""
        items: list[Any] = [self._user(n) for n in range(self._people)]
        items += [_group(f"g-{n}") for n in range(self._groups)]
        items += [_group(name) for name in ("large", "staff", "all")]
        for n in range(self._groups):
            members = {f"u-{u}" for u in self._random.sample(range(self._people), 100)}
            nested = {f"g-{n + k}" for k in (1, 2, 3)} if n % 50 == 0 else set()
            items.append(Members(f"g-{n}", frozenset(members | nested)))
        large = frozenset(f"u-{n}" for n in range(self._large))
        return [
            *items,
            Members("large", large),
            Members("staff", frozenset({"large", "g-1"})),
            Members("all", frozenset({"staff", "g-0"})),
        ]

    def changes(self, number: int) -> list[Any]:
        """Return one hundred changes."""
        some = self._random.sample(range(self._people // 100, self._people), 130)
        came = [self._user(n) for n in range(self._came, self._came + 20)]
        self._came += 20
        renamed = [self._user(n, displayName=f"Renamed {number}") for n in some[:20]]
        titled = [self._user(n, title=f"Title {number}") for n in (number + 1, *some[20:39])]
        left = [Gone(Kind.USER, f"u-{n}") for n in some[40:50]]
        joined = frozenset(item.id for item in came[:10])
        parted = frozenset(f"u-{n}" for n in self._random.sample(range(self._large), 5))
        groups = self._random.sample(range(10, self._groups), 10)
        small = [
            Members(f"g-{n}", frozenset({f"u-{some[50 + k]}"}), frozenset({f"u-{some[70 + k]}"}), whole=False)
            for k, n in enumerate(groups)
        ]
        new = f"new-{number}"
        return [
            *came, *renamed, *titled, *left, *small, Members("large", joined, parted, whole=False),
            _group(new), Members(new, frozenset(f"u-{n}" for n in some[90:95])),
            _group(f"g-{groups[0]}", description=f"described {number}"),
            _group(f"g-{groups[1]}", displayName=f"called {number}"),
            Members("all", frozenset({new}), whole=False),
            Members("g-5", frozenset({f"g-{groups[2]}"}), frozenset({f"g-{groups[3]}"}), whole=False),
        ]  # fmt: skip

    def one_percent(self, number: int) -> list[Any]:
        """Return another title of 1% of the people, and a member more and one less of 1% of the groups."""
        some = self._random.sample(range(self._people), self._people // 100)
        groups = self._random.sample(range(self._groups), self._groups // 100)
        return [
            *(self._user(n, title=f"Title {number}") for n in some),
            *(
                Members(f"g-{n}", frozenset({f"u-{some[k]}"}), frozenset({f"u-{some[-1 - k]}"}), whole=False)
                for k, n in enumerate(groups)
            ),
        ]

    def _user(self, n: int, **other: str) -> Record:
        attributes: dict[str, Any] = {
            "displayName": f"Given{n % 997} Family{n % 9973}", "email": f"user{n}@company.example",
            "title": f"Engineer {n % 31}", "department": f"Dept. {n % 211}", "employeeNumber": f"{n:08}",
            "manager": f"u-{n // 10}", "phone": f"+44 20 7946 {n % 10000:04}",
        }  # fmt: skip
        return Record(Kind.USER, f"u-{n}", {**attributes, **other})


def _group(id_: str, **other: str) -> Record:
    return Record(Kind.GROUP, id_, {"displayName": f"group {id_}", "description": "What it is for", **other})


def _rules(*, groups: bool) -> Ruleset:
    texts = {
        "id": "user.id", "name": "user.displayName", "email": "user.email", "title": "user.title",
        "boss": "user.manager.displayName",
    }  # fmt: skip
    if groups:
        texts["groups"] = "user.groups"
    return Ruleset(None, "id", {name: Rule(text) for name, text in texts.items()})


class Measured:
    """One directory, one target, and the duration of each step of the last run."""

    def __init__(self, folder: Path, people: int, *, groups: bool) -> None:
        self.company = Company(people)
        folder.mkdir(exist_ok=True)
        self.file = folder / f"{groups}.db"
        self._folder = folder
        self._groups = groups
        self._database: Database = open_database(f"sqlite:///{self.file}")
        self.seconds: dict[str, float] = {}

    def run(self, items: list[Any], *, complete: bool = False) -> None:
        options = GivenOptions.model_construct(items=items, complete=complete)
        attributes: dict[Kind, Any] = {kind: {} for kind in Kind}
        directory = DirectoryConfig("company", "given", timedelta(minutes=15), None, options, attributes)
        target = TargetConfig(
            "app", "sink", SinkOptions(), ("company",), _rules(groups=self._groups), Ruleset(), "flattened",
            Leavers(), UNLIMITED,
        )  # fmt: skip
        found = job(directory, Given, [(target, Sink)], {})
        steps: list[tuple[str, float]] = [("reading", time.process_time())]

        def note(progress: Progress) -> None:
            if progress.step != steps[-1][0]:
                steps.append((progress.step, time.process_time()))

        deliveries = delivery_jobs([found])
        [report] = asyncio.run(
            sync(
                self._database, self._folder, {"company": found}, deliveries, ["company"], RunOptions(),
                lambda _: nullcontext(Progress(note)),
            )
        )  # fmt: skip
        assert report.status == "succeeded", report
        self.seconds = dict.fromkeys(STEPS, 0.0)
        for (step, began), (_, ended) in pairwise(steps):
            self.seconds[step] = self.seconds.get(step, 0.0) + ended - began


def main(*sizes: int) -> None:
    logs.configure("error")
    with tempfile.TemporaryDirectory() as name:
        for groups in (False, True):
            _measure(Path(name), sizes or (100_000,), groups=groups)


def _measure(folder: Path, sizes: Sequence[int], *, groups: bool) -> None:
    companies = {people: _synced(folder, people, groups=groups) for people in sizes}
    rounds: dict[int, list[dict[str, float]]] = {people: [] for people in sizes}
    for number in range(ROUNDS):
        for people, measured in companies.items():
            measured.run(measured.company.changes(number))
            rounds[people].append(measured.seconds)
    totals: dict[int, float] = {}
    for people, measured in companies.items():
        floor = statistics.median(_floor(measured.file, people) for _ in range(ROUNDS))
        medians = {step: statistics.median(each[step] for each in rounds[people]) for step in STEPS}
        totals[people] = statistics.median(sum(each[step] for step in STEPS) for each in rounds[people])
        print(f"{people:,} people; rules that {'' if groups else 'do not '}read user.groups")
        for step, seconds in {**medians, "together": totals[people], "floor": floor}.items():
            print(f"  {step:10}{seconds * 1000:10.1f} ms{seconds / floor:10.1f} × floor")
        rules = "rules that read user.groups" if groups else "rules without groups"
        table.add_measure(f"delta with 100 changes, {people:,} people, {rules}", totals[people] * 1000, "ms CPU", 150)
    for few, many in pairwise(totals):
        ratio = totals[many] / totals[few]
        table.add_measure(f"the same, {many:,} people in times of {few:,}", ratio, "×", 1.2)
    for measured in companies.values():
        measured.file.unlink()


def _synced(folder: Path, people: int, *, groups: bool) -> Measured:
    measured = Measured(folder / f"{people}", people, groups=groups)
    began = time.process_time()
    measured.run(measured.company.whole(), complete=True)
    print(f"first sync of {people:,} people: {time.process_time() - began:.1f} s", flush=True)
    return measured


def _floor(file: Path, people: int) -> float:
    copy = file.with_suffix(".copy")
    shutil.copyfile(file, copy)
    with sqlite3.connect(copy, isolation_level=None) as bare:
        bare.execute("PRAGMA journal_mode=WAL")
        bare.execute("PRAGMA synchronous=NORMAL")
        ids = [f"u-{n * (people // 101)}" for n in range(100)]
        began = time.process_time()
        bare.execute("BEGIN IMMEDIATE")
        for id_ in ids:
            row = bare.execute("SELECT * FROM records WHERE directory = 1 AND kind = 0 AND id = ?", (id_,)).fetchone()
            bare.execute(f"INSERT OR REPLACE INTO records VALUES ({', '.join('?' * len(row))})", row)
        bare.execute("COMMIT")
        took = time.process_time() - began
    bare.close()
    copy.unlink()
    return took


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
