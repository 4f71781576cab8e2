"""Connectors with one fault each, and the suite of the contract for each, which ``test_mutants.py`` runs. A class says
in ``fails`` which test must find its fault."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import aclosing
from typing import Any, ClassVar, cast

import pytest
from examples.plugin.tests.test_passwd import TestContract as Passwd
from examples.plugin.tests.test_passwd import machine as machine
from examples.target.tests.test_jsonfile import TestContract as JsonFile
from msgspec.structs import replace
from usersyncd_jsonfile.file import Document, load, save
from usersyncd_jsonfile.target import JsonFileTarget
from usersyncd_passwd.source import PasswdSource

from tests.contract.test_memory import TestIncrementalMemorySource as Incremental
from tests.contract.test_scim_source import TestReceiving as Receiving
from usersyncd.errors import SourceError
from usersyncd.plugin import Change, Done, Gone, Listed, Members, Op, Outcome, Page, Person
from usersyncd.testing import MemoryDirectory, MemorySource
from usersyncd_scim import ScimSource

# ---- sources


class FirstPage(PasswdSource):
    """Reads the first page only."""

    def _pages(self) -> Iterator[Page | Done]:
        yield next(iter(super()._pages()))
        yield Done(cursor=None, complete=True)


class TestFirstPage(Passwd):
    fails = "test_reads_everything"
    source = FirstPage


class FirstPageOfMany(MemorySource):
    """Reads the first page only."""

    def _pages(self, items: list[Any]) -> list[Page]:
        return super()._pages(items)[:1]


class TestFirstPageOfMany(Incremental):
    fails = "test_reads_everything"
    source = FirstPageOfMany


class Delta(MemorySource):
    """Yields the changes after a cursor, each changed by :meth:`altered`."""

    def altered(self, item: Any) -> Any:
        """Return the changed item, or None to leave it out."""
        return item

    async def pull(self, cursor: str | None) -> AsyncIterator[Page | Done]:
        async with aclosing(cast("Any", super().pull(cursor))) as pages:
            async for page in pages:
                if isinstance(page, Done) or cursor is None:
                    yield page
                else:
                    yield [item for item in map(self.altered, page) if item is not None]


class NobodyLeaves(Delta):
    """Leaves out deleted records."""

    def altered(self, item: Any) -> Any:
        return None if isinstance(item, Gone) else item


class TestNobodyLeaves(Incremental):
    fails = "test_a_pull_after_the_cursor_yields_the_changes"
    source = NobodyLeaves


class NothingIsWhole(Delta):
    """Yields all members of a changed group, but does not mark them as complete."""

    def altered(self, item: Any) -> Any:
        return replace(item, whole=False) if isinstance(item, Members) else item


class TestNothingIsWhole(Incremental):
    fails = "test_a_pull_after_the_cursor_yields_the_changes"
    source = NothingIsWhole


class Quiet(MemorySource):
    """Ends when the server refuses midway, with ``end`` as its last item."""

    end: ClassVar[Sequence[Done]] = ()

    async def pull(self, cursor: str | None) -> AsyncIterator[Page | Done]:
        pages = 0
        try:
            async for page in super().pull(cursor):
                pages += 1
                yield page
        except SourceError:
            if not pages:
                raise
            for end in self.end:
                yield end


class QuietAndDone(Quiet):
    end = (Done(cursor=None, complete=True),)


class TestQuiet(Incremental):
    fails = "test_access_revoked_midway_is_never_taken_for_the_end"
    source = Quiet

    @pytest.fixture
    def lock_out(self, directory: MemoryDirectory) -> Callable[[], object]:
        return lambda: setattr(directory.faults, "down", True)


class TestQuietAndDone(TestQuiet):
    source = QuietAndDone


class StaysInGroups(MemorySource):
    """Leaves a person, read alone, in all groups that listed the person."""

    async def person(self, name: str, listed: Listed) -> Person | None:
        found = await super().person(name, listed)
        return found and replace(found, groups={**listed, **found.groups})


class TestStaysInGroups(Incremental):
    fails = "test_a_person_after_a_change_is_read_as_a_pull_reads_it"
    source = StaysInGroups


class DownIsDeleted(MemorySource):
    """Takes an outage for the answer that the directory has nobody."""

    async def person(self, name: str, listed: Listed) -> Person | None:
        try:
            return await super().person(name, listed)
        except SourceError:
            return None


class TestDownIsDeleted(Incremental):
    fails = "test_a_person_of_an_unreadable_directory_is_not_taken_for_deleted"
    source = DownIsDeleted


class PushedAndComplete(ScimSource):
    """Ends the pull of a directory that pushes as a complete one: everything that was pushed would be deleted."""

    async def pull(self, cursor: str | None) -> AsyncIterator[Page | Done]:
        yield Done("pushed", complete=True)


class TestPushedAndComplete(Receiving):
    fails = "test_a_pull_adds_nothing"
    source = PushedAndComplete


class ShortToken(ScimSource):
    """Takes any token."""

    async def check(self) -> Sequence[str]:
        return ["receives pushes"]


class TestShortToken(Receiving):
    fails = "test_check_refuses_a_token_that_can_be_guessed"
    source = ShortToken


# ---- targets


class EdgesByKey(JsonFileTarget):
    """Stores memberships by the keys that group and member had at the time."""

    def _deliver(self, changes: Sequence[Change]) -> Iterator[Outcome]:
        before = load(self._path)
        outcomes = list(super()._deliver(changes))
        after = load(self._path)
        keys = {each: entry.key for each, entry in before.entries.items()}
        moved = {each for each, entry in after.entries.items() if keys.get(each, entry.key) != entry.key}
        after.members = {edge for edge in after.members if moved.isdisjoint(edge)}
        save(self._path, after)
        yield from outcomes


class TestEdgesByKey(JsonFile):
    fails = "test_a_record_keeps_its_object_when_its_key_changes"
    target = EdgesByKey


class NotYetDurable(JsonFileTarget):
    """Acknowledges before it writes the file."""

    def _deliver(self, changes: Sequence[Change]) -> Iterator[Outcome]:
        document: Document = load(self._path)
        yield from [self._apply(change, document) for change in changes]
        save(self._path, document)


class TestNotYetDurable(JsonFile):
    fails = "test_a_change_is_durable_once_it_is_acknowledged"
    target = NotYetDurable


class NeverRemoves(JsonFileTarget):
    """Acknowledges the removal of a membership, and keeps it."""

    def _connect(self, change: Change, group: str, document: Document) -> Outcome:
        return Outcome() if change.op is Op.REMOVE else super()._connect(change, group, document)


class TestNeverRemoves(JsonFile):
    fails = "test_memberships_come_and_go"
    target = NeverRemoves
