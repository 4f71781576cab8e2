"""The contract of a source, as tests. Inherit them, and provide a test directory::

    class TestPasswd(SourceContract):
        source = PasswdSource

        @pytest.fixture
        def options(self, tmp_path): ...            # write a small directory; return its options, as in the YAML

        @pytest.fixture def break_directory(self, tmp_path): ...    # return a function that makes it unreadable

        @pytest.fixture def counts(self): ...                       # the numbers of its users, groups and memberships

        @pytest.fixture def change_directory(self, tmp_path): ...   # for a source with a cursor: return a function that
        changes it

        @pytest.fixture def lock_out(self): ...                     # for a source that signs in: return a function that
        revokes access

Without the last three the suite cannot detect a lost page, a missed change, or access that is revoked midway. The tests
are plain functions and start their own event loops, so pytest is all they need.
"""
# ruff: noqa: A001, S101 - `id` is the word of the contract; tests are made of asserts

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import Callable, Mapping
from contextlib import aclosing
from typing import Any, cast

import pytest

from usersyncd.errors import SourceError
from usersyncd.plugin import Done, Kind, Members, Patch, Record, Source, Value
from usersyncd.testing.contexts import Log
from usersyncd.testing.inspection import threads_and_files
from usersyncd.testing.person_contract import PersonContract
from usersyncd.testing.pulls import DirectoryContent, Pull, fold, read

Counts = tuple[int, int, int]
"""Users, groups, memberships."""


class SourceContract(PersonContract):
    """One test for each rule of the contract. Override ``source``, ``break_directory`` and ``options``: of a small
    directory that does not change by itself, with some users, groups and memberships."""

    @pytest.fixture
    def break_directory(self) -> Callable[[], object]:
        """A function that makes the directory unreadable, for example deletes a file or stops the server."""
        raise NotImplementedError("override the fixture `break_directory`: return a function")

    @pytest.fixture
    def counts(self) -> Counts | None:
        """The numbers of users, groups and memberships in the directory: more than a page of each."""
        return None

    @pytest.fixture
    def change_directory(self) -> Callable[[], object] | None:
        """A function that changes the directory: it deletes at least one user, and removes another user from a
        group."""
        return None

    @pytest.fixture
    def lock_out(self) -> Callable[[], object] | None:
        """A function that revokes access, for signed-in sessions too, for example revokes the token or changes the
        password."""
        return None

    # -------------------------------------------------------------------------------------------------- the pull

    def test_ends_with_one_done_that_says_complete(self, start: Callable[..., Source]) -> None:
        pull = asyncio.run(read(start()))
        assert len(pull.ends) == 1, "a pull ends with exactly one Done"
        assert pull.after_end == 0, "Done comes last"
        assert pull.ends[0].complete, "a pull without cursor lists everything"
        assert any(isinstance(item, Record) for item in pull.items), "the test directory must contain records"

    def test_reads_everything(self, start: Callable[..., Source], counts: Counts | None) -> None:
        if counts is None:
            pytest.skip("override the fixture `counts`: return the numbers of users, groups and memberships")
        held = fold(asyncio.run(read(start())).items)
        users, groups = (sum(of is kind for of, _ in held.records) for kind in Kind)
        assert (users, groups, len(held.edges)) == counts, "users, groups and memberships: read, and expected"

    def test_ids_are_text_and_unique(self, start: Callable[..., Source]) -> None:
        seen = set()
        for record in asyncio.run(read(start())).records:
            assert isinstance(record.kind, Kind)
            assert isinstance(record.id, str)
            assert record.id.strip()
            assert (record.kind, record.id) not in seen, "a complete pull yields each record once"
            seen.add((record.kind, record.id))

    def test_attributes_are_json_values(self, start: Callable[..., Source]) -> None:
        for record in asyncio.run(read(start())).records:
            for name, value in record.attributes.items():
                assert value is not None, (
                    f"{name} of {record.id}: leave out attributes that the directory does not hold"
                )
                assert _is_json(value), f"{name} of {record.id}: {value!r}"

    def test_handles_are_text_and_name_one_record(self, start: Callable[..., Source]) -> None:
        named: dict[str, Record] = {}
        for record in asyncio.run(read(start())).records:
            for handle in record.handles:
                assert isinstance(handle, str)
                assert handle
                assert handle not in named, f"{handle} names {record.id} and {named[handle].id}"
                named[handle] = record

    def test_members_are_of_groups_that_were_listed(self, start: Callable[..., Source]) -> None:
        pull = asyncio.run(read(start()))
        groups = {record.id for record in pull.records if record.kind is Kind.GROUP}
        for item in pull.items:
            assert not isinstance(item, Patch), "a complete pull yields Record, not Patch"
            if isinstance(item, Members):
                assert item.group in groups
                assert not item.removed, "a complete pull removes no members"
                assert all(isinstance(member, str) and member for member in item.added)

    def test_two_pulls_have_the_same_result(self, start: Callable[..., Source]) -> None:
        source = start()
        first, second, third = (fold(asyncio.run(read(each)).items) for each in (source, source, start()))
        assert first == second == third

    def test_a_pull_after_the_cursor_has_the_same_result(self, start: Callable[..., Source]) -> None:
        pull = asyncio.run(read(start()))
        cursor = pull.ends[0].cursor
        later = asyncio.run(read(start(), cursor))
        assert len(later.ends) == 1
        before = fold(pull.items)
        assert fold(later.items, onto=None if later.ends[0].complete else before, known=before) == before

    def test_a_pull_after_the_cursor_yields_the_changes(
        self, start: Callable[..., Source], change_directory: Callable[[], object] | None
    ) -> None:
        """Including deletions and ended memberships: the result equals a complete pull."""
        pull = asyncio.run(read(start()))
        cursor = pull.ends[0].cursor
        if cursor is None:
            pytest.skip("this source reads everything each time")
        if change_directory is None:
            pytest.skip("override the fixture `change_directory`: return a function that changes the directory")
        before = fold(pull.items)
        change_directory()
        now = fold(asyncio.run(read(start())).items)
        assert before.records.keys() - now.records.keys(), "`change_directory` must delete a user"
        assert _ended(before, now), "`change_directory` must remove a remaining user from a remaining group"
        later = asyncio.run(read(start(), cursor))
        assert len(later.ends) == 1, "a pull ends with exactly one Done"
        result = fold(later.items, onto=None if later.ends[0].complete else before, known=before)
        assert result.records == now.records, "records: by the incremental pull, and by a complete one"
        assert _among(result) == _among(now), (
            "memberships: by the incremental pull, and by a complete one (`whole` replaces all)"
        )

    def test_reading_less_lists_the_same_people(self, start: Callable[..., Source]) -> None:
        everything = fold(asyncio.run(read(start())).items)
        one = {kind: frozenset(_some_attribute(everything, kind)) for kind in Kind}
        less = fold(asyncio.run(read(start(reads=one))).items)
        assert less.records.keys() == everything.records.keys()
        assert less.edges == everything.edges
        for (kind, id), attributes in less.records.items():
            for name in one[kind]:
                assert attributes.get(name) == everything.records[kind, id].get(name)

    def test_an_abandoned_pull_leaves_nothing_behind(self, start: Callable[..., Source]) -> None:
        whole = fold(asyncio.run(read(start())).items)
        asyncio.run(_abandon(start()))
        before = threads_and_files()
        for _ in range(3):
            asyncio.run(_abandon(start()))
        deadline = time.monotonic() + 5
        while (left := threads_and_files()) > before and time.monotonic() < deadline:
            time.sleep(0.02)
        assert left <= before, "threads and open files: after the abandoned pulls, and before"
        assert fold(asyncio.run(read(start())).items) == whole

    # --------------------------------------------------------------------------------------------------- failing

    def test_an_unreadable_directory_voids_the_pull(
        self, start: Callable[..., Source], break_directory: Callable[[], object]
    ) -> None:
        source = start()
        break_directory()
        for each in (source, start()):
            pull = Pull()
            with pytest.raises(SourceError) as raised:
                asyncio.run(_read_into(pull, each))
            assert not pull.ends, "a pull that fails has no Done"
            assert raised.value.message.strip()

    def test_a_directory_that_breaks_midway_is_never_taken_for_whole(
        self, start: Callable[..., Source], break_directory: Callable[[], object]
    ) -> None:
        _assert_whole_or_void(start, break_directory)

    def test_access_revoked_midway_is_never_taken_for_the_end(
        self, start: Callable[..., Source], lock_out: Callable[[], object] | None
    ) -> None:
        if lock_out is None:
            pytest.skip("override the fixture `lock_out`: return a function that revokes access")
        _assert_whole_or_void(start, lock_out)

    def test_check_fails_when_the_pull_would(
        self, start: Callable[..., Source], break_directory: Callable[[], object]
    ) -> None:
        break_directory()
        with pytest.raises(SourceError):
            asyncio.run(start().check())

    def test_secrets_are_not_shown(
        self,
        start: Callable[..., Source],
        options: Mapping[str, Any],
        break_directory: Callable[[], object],
        log: Log,
        caplog: pytest.LogCaptureFixture,
        capfd: pytest.CaptureFixture[str],
    ) -> None:
        caplog.set_level("DEBUG")
        source = start()
        pull = asyncio.run(read(source))
        lines = asyncio.run(source.check())
        break_directory()
        with pytest.raises(SourceError) as raised:
            asyncio.run(read(start()))
        printed = capfd.readouterr()
        for secret in self.secrets:
            for where, text in {
                "log": f"{log.entries} {caplog.text}",
                "output": f"{printed.out} {printed.err}",
                "error": f"{raised.value} {raised.value!r}",
                "check": f"{lines}",
                "options": f"{self.source.Options.model_validate(options)!r} {source!r}",
                "cursor": f"{pull.ends}",
            }.items():
                assert secret not in text, f"the secret appears in: {where}"


def _some_attribute(listing: DirectoryContent, kind: Kind) -> list[str]:
    return sorted({name for (of, _), attributes in listing.records.items() if of is kind for name in attributes})[:1]


def _is_json(value: Value) -> bool:
    match value:
        case float():
            return math.isfinite(value)
        case list():
            return all(map(_is_json, value))
        case dict():
            return all(isinstance(key, str) and _is_json(each) for key, each in value.items())
        case _:
            return value is None or isinstance(value, str | int)


def _ended(before: DirectoryContent, now: DirectoryContent) -> set[tuple[str, str]]:
    """The removed memberships of which group and member still exist."""
    names = {id for _, id in now.records} | now.handles.keys()
    return {(group, member) for group, member in before.edges - now.edges if {group, member} <= names}


def _among(held: DirectoryContent) -> set[tuple[str, str]]:
    """The memberships of existing records, by id."""
    ids = {id: id for _, id in held.records}
    ids |= {handle: id for handle, (kind, id) in held.handles.items() if (kind, id) in held.records}
    edges = {(group, ids[member]) for group, member in held.edges if member in ids}
    return {edge for edge in edges if (Kind.GROUP, edge[0]) in held.records}


def _assert_whole_or_void(start: Callable[..., Source], stop: Callable[[], object]) -> None:
    """A pull whose directory fails after the first page raises SourceError, unless it had already read everything."""
    whole = fold(asyncio.run(read(start())).items)
    pull, error = Pull(), None
    try:
        asyncio.run(_read_into(pull, start(), after_first=stop))
    except SourceError as raised:
        error = raised
    if error is not None:
        assert not pull.ends, "a pull that fails has no Done"
        assert error.message.strip()
    else:
        assert pull.ends, "a pull that cannot continue raises SourceError: it never ends silently"
        assert fold(pull.items) == whole, "Done says that everything was read"


async def _read_into(pull: Pull, source: Source, after_first: Callable[[], object] | None = None) -> None:
    async for page in source.pull(None):
        if after_first is not None and not pull.pages and not pull.ends:
            after_first()
        (pull.ends if isinstance(page, Done) else pull.pages).append(page)  # type: ignore[arg-type]


async def _abandon(source: Source) -> None:
    """Read the first page, then close the pull."""
    pages = cast("Any", source.pull(None))
    assert hasattr(pages, "aclose"), "`pull` must be an asynchronous generator, so that a run can close it"
    async with aclosing(pages):
        await anext(pages)
