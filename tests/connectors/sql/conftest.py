from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from tests.connectors.sql.databases import DIALECTS, Database, ServerDatabase, SqliteDatabase
from usersyncd.core.protection import Protection
from usersyncd.plugin import Change, Held, Kind, Layout, Lookup, Op, Outcome
from usersyncd.testing import OWN_LAYOUTS, target_context
from usersyncd_sql import SqlTarget
from usersyncd_sql.options import SqlOptions

Deliver = Callable[..., Any]


@pytest.fixture(params=DIALECTS)
def database(request: pytest.FixtureRequest, tmp_path: Path) -> Database:
    """An empty database; the test runs once on each of the three."""
    if request.param == "sqlite":
        return SqliteDatabase(tmp_path)
    return ServerDatabase(request.getfixturevalue("postgres" if request.param == "postgresql" else "mariadb"))


Links = dict[tuple[Kind, str, str], str]
"""The target id of each record: its kind, directory and id."""


class Runs:
    """Delivers to one target as in separate runs: ``await runs(change, …)`` returns the outcomes.

    ``links`` remembers the target ids that outcomes give, and fills them into what follows; a record that is not known
    is looked up by its key. What is protected, and what was delivered under contract 1, may be set.
    """

    def __init__(
        self, folder: Path, options: Mapping[str, Any], layouts: Mapping[Kind, Layout], links: Links | None = None
    ) -> None:
        self.folder, self.options, self.layouts = folder, options, layouts
        self.links: Links = {} if links is None else links
        self.protection: Mapping[Kind, Protection] = {}
        self.earlier: Mapping[Kind, Sequence[Lookup]] = {}

    def target(self) -> SqlTarget:
        context = target_context(
            self.folder, name="app", layouts=self.layouts, protection=self.protection, earlier=self.earlier
        )
        return SqlTarget(SqlOptions.model_validate(self.options), context)

    async def __call__(self, *changes: Change) -> list[Outcome]:
        """Deliver in a run of its own. The outcomes, without the target ids: those are in ``links``."""
        target = self.target()
        try:
            await target.identity()
            await target.prepare()
            return await self.deliver(target, *changes)
        finally:
            await target.close()

    async def deliver(self, target: SqlTarget, *changes: Change) -> list[Outcome]:
        """Deliver one batch."""
        linked = [await self._linked(target, change) for change in changes]
        outcomes = [outcome async for outcome in target.deliver(linked)]
        for change, outcome in zip(changes, outcomes, strict=True):
            if outcome.target_id is not None:
                self.links[change.kind, change.directory, change.id] = outcome.target_id
        return [replace(outcome, target_id=None) for outcome in outcomes]

    async def _linked(self, target: SqlTarget, change: Change) -> Change:
        if change.op is Op.CREATE:
            return change
        members = [
            replace(m, target_id=m.target_id or await self._link(target, m.kind, change.directory, m.id, m.key))
            for m in change.members
        ]
        known = change.target_id or await self._link(target, change.kind, change.directory, change.id, change.key)
        return replace(change, target_id=known, members=tuple(members))

    async def _link(self, target: SqlTarget, kind: Kind, directory: str, record: str, key: str | int) -> str | None:
        if (kind, directory, record) not in self.links:
            found = [held async for _, held in target.find(kind, [Lookup(directory, record, key)]) if held.key == key]
            if not found:
                return None
            self.links[kind, directory, record] = found[0].target_id
        return self.links[kind, directory, record]

    async def prepare(self) -> None:
        target = self.target()
        try:
            await target.prepare()
        finally:
            await target.close()

    async def identity(self) -> str:
        target = self.target()
        try:
            return await target.identity()
        finally:
            await target.close()

    async def places(self) -> Mapping[Kind, str]:
        target = self.target()
        try:
            return await target.places()
        finally:
            await target.close()

    async def find(self, kind: Kind, *lookups: Lookup) -> list[tuple[Lookup, Held]]:
        target = self.target()
        try:
            return [found async for found in target.find(kind, lookups)]
        finally:
            await target.close()

    async def read(self, kind: Kind, *target_ids: str) -> list[Held]:
        target = self.target()
        try:
            return [held async for held in target.read(kind, target_ids)]
        finally:
            await target.close()

    async def check(self) -> Sequence[str]:
        target = self.target()
        try:
            return await target.check()
        finally:
            await target.close()


@pytest.fixture
def start(database: Database, tmp_path: Path) -> Callable[..., Runs]:
    """``start(layouts, create_tables=True, …)``: runs on the database with these options."""

    links: Links = {}

    def start(layouts: Mapping[Kind, Layout] = OWN_LAYOUTS, **options: Any) -> Runs:
        return Runs(tmp_path, {"url": database.url, **options}, layouts, links)

    return start
