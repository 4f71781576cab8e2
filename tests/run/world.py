"""Where runs are tested: a directory and targets in memory, with a real state database between them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import nullcontext
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, ClassVar

import msgspec
import pytest
from msgspec import structs
from pydantic import BaseModel, Field

from tests.run.migrated import migrated_sqlite
from usersyncd.config import Complete, DirectoryConfig, TargetConfig
from usersyncd.core.approvals import Decision
from usersyncd.core.listed_changes import ListedChanges
from usersyncd.core.model import Constant, DriftPolicy, Guard, Leavers, Limit, MembershipMode, Rule, Ruleset
from usersyncd.core.protection import UNPROTECTED, Protection
from usersyncd.core.report import Cause, DeliveryRun, PullRun, RunReport, TargetReport
from usersyncd.deliver.run import deliver
from usersyncd.errors import Place
from usersyncd.job import DeliveryJob, PullJob, delivery_job, job
from usersyncd.options import RunOptions
from usersyncd.plugin import API, Done, Kind, Options, Page, SourceContext
from usersyncd.progress import Progress
from usersyncd.pull.request import pull_person
from usersyncd.state.approvals import decide, held_shares
from usersyncd.state.database import Database, open_database
from usersyncd.sync import sync
from usersyncd.testing import (
    MemoryDirectory,
    MemorySource,
    MemorySourceOptions,
    MemoryStore,
    MemoryTarget,
    MemoryTargetOptions,
)

ON_SQLITE = pytest.mark.parametrize("state", ["sqlite"], indirect=True)
"""For a module whose tests do not depend on the kind of state database: each test runs on SQLite only."""
NO_LIMITS = Guard(
    deletes=None, deactivations=None, member_removals=None, adoptions=None, reactivations=None, blanked=None,
    emptied=None,
)  # fmt: skip
_HUGE = Limit(1e6, False)
UNREACHED = Guard(
    deletes=_HUGE, deactivations=_HUGE, member_removals=_HUGE, adoptions=_HUGE, reactivations=_HUGE, updates=_HUGE,
    blanked=_HUGE, emptied=_HUGE,
)  # fmt: skip
"""The guard counts everything and holds nothing."""


def rules(where: str | None = None, key: str | None = None, **attributes: str) -> Ruleset:
    """Rules as in the YAML, all of them on line 7."""
    chosen: dict[str, Rule | Constant] = {
        name: Rule(text, Place("config.yaml", 7)) for name, text in attributes.items()
    }
    return Ruleset(Rule(where, Place("config.yaml", 7)) if where else None, key, chosen or None)


class ScriptOptions(Options):
    """``pages`` are yielded in their order. Each pull adds the cursor that it was called with to ``cursors``, and the
    ``last_cursor`` of its context to ``last_cursors``."""

    pages: list[Any] = Field(exclude=True)
    cursors: list[str | None] = Field(exclude=True)
    last_cursors: list[str | None] = Field(exclude=True)


class Script:
    """A source that yields given pages, even if they break the contract."""

    api: ClassVar[int] = API
    Options: ClassVar[type[BaseModel]] = ScriptOptions
    mapping: ClassVar[Mapping[Kind, Mapping[str, str]]] = {}

    def __init__(self, options: ScriptOptions, context: SourceContext) -> None:
        self._options = options
        self._last_cursor = context.last_cursor

    async def pull(self, cursor: str | None) -> AsyncIterator[Page | Done]:
        self._options.cursors.append(cursor)
        self._options.last_cursors.append(self._last_cursor)
        for page in self._options.pages:
            yield page

    async def check(self) -> Sequence[str]:
        return []


class World:
    """``directory`` is pulled, and delivered to the ``stores`` by name. At first there is one target, ``app``."""

    name = "acme"

    def __init__(self, folder: Path, *, state: str | None = None, incremental: bool = False) -> None:
        self.folder = folder
        self.url = state or migrated_sqlite(folder / "state.db")
        self.database: Database = open_database(self.url)
        self.directory = MemoryDirectory(page_size=3, incremental=incremental)
        self.complete: Complete | None = None
        self.attributes: Mapping[str, str] = {}
        self.now: datetime | None = None
        """The time of the runs' clock; None: the real time."""
        self.cursors: list[str | None] = []
        self.last_cursors: list[str | None] = []
        """The cursor that each scripted pull was called with, and the last cursor in its context."""
        self.stores: dict[str, MemoryStore] = {}
        self.targets: dict[str, TargetConfig] = {}
        self.unlisted: set[str] = set()
        """The targets that do not list the directory."""
        self.was: str | None = None
        """The name that the directory had before."""
        self.beside: list[World] = []
        """Other directories of the same configuration."""
        self.removed = False
        """Whether the directory is removed from the configuration."""
        self.target()

    @property
    def store(self) -> MemoryStore:
        return self.stores["app"]

    def target(
        self,
        name: str = "app",
        *,
        users: Ruleset = Ruleset(),  # noqa: B008 - frozen
        groups: Ruleset = Ruleset(),  # noqa: B008
        memberships: MembershipMode = "flattened",
        delete_after: timedelta | None = None,
        leaving: Mapping[str, Rule | Constant] | None = None,
        guard: Guard = NO_LIMITS,
        protect: Mapping[Kind, Protection] | None = None,
        verify: Complete | None = None,
        drift: DriftPolicy = DriftPolicy(),  # noqa: B008
        after_approval: bool = False,
    ) -> None:
        """Add a target, or change its rules."""
        store = self.stores.setdefault(name, MemoryStore())
        options = MemoryTargetOptions(store=store)
        self.targets[name] = TargetConfig(
            name, "memory", options, (self.name,), users, groups, memberships, Leavers(delete_after, leaving), guard,
            protect=protect or dict.fromkeys(Kind, UNPROTECTED), verify=verify, drift=drift,
            after_approval=after_approval,
        )  # fmt: skip

    @property
    def job(self) -> PullJob:
        return self._job(MemorySource, MemorySourceOptions(directory=self.directory))

    def _job(self, connector: Any, options: BaseModel) -> PullJob:
        mapped = {name: Rule(text, Place("config.yaml", 3)) for name, text in self.attributes.items()}
        directory = DirectoryConfig(
            self.name,
            "memory",
            timedelta(minutes=15),
            self.complete,
            options,
            {Kind.USER: mapped, Kind.GROUP: {}},
            self.was,
        )
        targets = [(self._listing(target), MemoryTarget) for target in self.targets.values()]
        return job(directory, connector, targets, {})

    def deliveries(self, pull: PullJob) -> dict[str, DeliveryJob]:
        """The deliveries to all targets, also to those that do not list the directory."""
        everyone = tuple(structs.replace(each, leaving=True) for each in pull.targets)
        pulls = [self._listed(pull), *(one._listed(one.job) for one in self.beside)]
        return {each.target.name: delivery_job(each, pulls, everyone) for each in everyone}

    def _listed(self, pull: PullJob) -> PullJob:
        """Return the pull with the targets that list the directory."""
        return structs.replace(pull, targets=tuple(one for one in pull.targets if self._is_listed(one.target.name)))

    def _is_listed(self, target: str) -> bool:
        return not self.removed and target not in self.unlisted

    def _listing(self, target: TargetConfig) -> TargetConfig:
        """Return the target with the directories that it lists."""
        listed = tuple(one.name for one in (self, *self.beside) if one._is_listed(target.name))
        return structs.replace(target, directories=listed or ("elsewhere",))

    def run(self, progress: Progress | None = None, **asked: Any) -> RunReport:
        return self._run(self.job, progress, **asked)

    def tell(self, *pages: Any, **asked: Any) -> RunReport:
        """Run with a source that yields exactly these pages: lists of items, and Done."""
        options = ScriptOptions.model_construct(pages=list(pages), cursors=self.cursors, last_cursors=self.last_cursors)
        return self._run(self._job(Script, options), **asked)

    def _run(self, pull: PullJob, progress: Progress | None = None, **asked: Any) -> RunReport:
        with pytest.MonkeyPatch.context() as patch:
            if (now := self.now) is not None:
                patch.setattr("usersyncd.recording.now", lambda: now)
            return asyncio.run(self.sync(progress, pull, **asked))

    async def sync(self, progress: Progress | None = None, pull: PullJob | None = None, **asked: Any) -> RunReport:
        """Pull the directory, unless it is removed, and deliver it."""
        pull = pull or self.job
        deliveries = self.deliveries(pull)
        pulls = {} if self.removed else {self.name: pull}
        options = RunOptions(**asked)
        [report] = await sync(
            self.database, self.folder, pulls, deliveries, [self.name], options,
            lambda _: nullcontext(progress or Progress()),
        )  # fmt: skip
        return report

    def sync_with(self, *others: World, **asked: Any) -> list[RunReport]:
        """Sync this directory and others of its configuration."""
        pulls = {one.name: one.job for one in (self, *others)}
        deliveries = self.deliveries(self.job)
        options = RunOptions(**asked)
        return asyncio.run(sync(self.database, self.folder, pulls, deliveries, list(pulls), options))

    def ask(self, person: str, *, job: PullJob | None = None, by: str = "sign-in") -> PullRun:
        """Pull one person, without a delivery."""
        return asyncio.run(pull_person(self.database, self.folder, job or self.job, person, by, RunOptions(log=False)))

    def deliver(self, name: str = "app", cause: Cause = "manual", **asked: Any) -> DeliveryRun:
        """Deliver to one target without a pull."""
        job = self.deliveries(self.job)[name]
        with pytest.MonkeyPatch.context() as patch:
            if (now := self.now) is not None:
                patch.setattr("usersyncd.recording.now", lambda: now)
            return asyncio.run(deliver(self.database, self.folder, job, RunOptions(**asked), cause))

    def decide(
        self, target: str = "app", *, approved: bool = True, by: str = "ann", reason: str | None = None
    ) -> Decision:
        """Approve or reject the changes of this directory that are held in a target."""
        with self.database.write() as connection:
            held = {(one.share.target_name, one.share.directory_name): one for one in held_shares(connection)}
            share = held[target, self.name]
            now = self.now or datetime.now(UTC)
            return decide(connection, share, approved=approved, by=by, reason=reason, now=now)

    @staticmethod
    def changes(report: RunReport) -> list[dict[str, Any]]:
        """Return the changes that a report lists of its first target."""
        return [msgspec.json.decode(change) for change in report.targets[0].changes or ()]

    def synced(self, **asked: Any) -> TargetReport:
        """Run, check that the run succeeded, and return the report of the only target."""
        report = self.run(**asked)
        assert report.status == "succeeded", report
        [target] = report.targets
        return target

    def plan(self) -> RunReport:
        """Plan, with all changes in the report."""
        return self.run(deliver=False, changes=ListedChanges.ALL)

    # ---- what the directory holds

    def people(self, *ids: str, **attributes: Any) -> None:
        for id_ in ids:
            self.user(id_, **attributes)

    def leave(self, *ids: str, kind: Kind = Kind.USER) -> None:
        for id_ in ids:
            self.directory.remove(kind, id_)

    def user(self, id_: str, /, **attributes: Any) -> None:
        self.directory.users[id_] = attributes

    def group(self, id_: str, /, *members: str, **attributes: Any) -> None:
        self.directory.groups[id_] = {"displayName": id_, **attributes}
        self.directory.members[id_] = set(members)

    # ---- what the target holds

    def held(self, kind: Kind = Kind.USER, name: str = "app") -> dict[Any, dict[str, Any]]:
        """Return the attributes of each object by its key, without those that are None."""
        return {
            held.key: {attribute: value for attribute, value in held.attributes.items() if value is not None}
            for held in self.stores[name].objects(kind).values()
        }

    def members(self, name: str = "app") -> dict[Any, set[Any]]:
        """Return the keys of the members by the key of their group, without empty groups."""
        found: dict[Any, set[Any]] = {}
        for group, _, member in self.edges(name):
            found.setdefault(group, set()).add(member)
        return found

    def edges(self, name: str = "app") -> set[tuple[Any, Kind, Any]]:
        """Return the memberships: key of the group, kind of the member, key of the member."""
        store = self.stores[name]
        return {
            (store.groups[group].key, kind, store.objects(kind)[member].key)
            for group, kind, member in store.memberships
        }
