"""The contract of a source that can read one person, as tests: read alone, a person is what a pull reads.

A source without the method ``person`` skips them.
"""
# ruff: noqa: S101 - tests are made of asserts

from __future__ import annotations

import asyncio
from collections.abc import Callable

import pytest

from usersyncd.errors import SourceError
from usersyncd.plugin import Kind, Members, PersonSource, Record, Source
from usersyncd.testing.pulls import Pull, read
from usersyncd.testing.source_basics import SourceBasics

PEOPLE = 5
"""How many people a test reads one by one."""


class PersonContract(SourceBasics):
    """One test for each rule about :class:`usersyncd.plugin.PersonSource`, with the fixtures of SourceContract."""

    def test_a_person_is_read_as_a_pull_reads_it(self, start: Callable[..., Source]) -> None:
        pulled, pull = _person_source(start), asyncio.run(read(start()))
        for user in [record for record in pull.records if record.kind is Kind.USER][:PEOPLE]:
            person = asyncio.run(pulled.person(user.id, _groups(pull, user)))
            assert person is not None
            assert person.record == user
            assert person.groups == _groups(pull, user), f"the groups of {user.id}: read alone, and in a pull"

    def test_a_person_after_a_change_is_read_as_a_pull_reads_it(
        self, start: Callable[..., Source], change_directory: Callable[[], object] | None
    ) -> None:
        _person_source(start)
        if change_directory is None:
            pytest.skip("override the fixture `change_directory`: return a function that changes the directory")
        before = asyncio.run(read(start()))
        change_directory()
        pull = asyncio.run(read(start()))
        now = {record.id: record for record in pull.records if record.kind is Kind.USER}
        users = [record for record in before.records if record.kind is Kind.USER]
        deleted = [user for user in users if user.id not in now]
        left = [user for user in users if user.id in now and _groups(before, user) != _groups(pull, now[user.id])]
        assert deleted, "`change_directory` must delete a user"
        assert left, "`change_directory` must remove a remaining user from a group"
        for user in [*deleted[:PEOPLE], *left[:PEOPLE]]:
            person = asyncio.run(_person_source(start).person(user.id, _groups(before, user)))
            if user.id not in now:
                assert person is None, "the directory does not have this user any more"
                continue
            assert person is not None
            assert person.record == now[user.id]
            assert person.groups == _groups(pull, now[user.id])

    def test_an_unknown_person_is_nobody(self, start: Callable[..., Source]) -> None:
        for name in ("nobody@nowhere.example", "no'body*()\\", "00000000-0000-0000-0000-000000000000", "../x?y=z#"):
            assert asyncio.run(_person_source(start).person(name, {})) is None

    def test_a_person_of_an_unreadable_directory_is_not_taken_for_deleted(
        self, start: Callable[..., Source], break_directory: Callable[[], object]
    ) -> None:
        _person_source(start)
        user = next(record for record in asyncio.run(read(start())).records if record.kind is Kind.USER)
        break_directory()
        with pytest.raises(SourceError):
            asyncio.run(_person_source(start).person(user.id, {}))


def _person_source(start: Callable[..., Source]) -> PersonSource:
    source = start()
    if not isinstance(source, PersonSource):
        pytest.skip("this source reads no single person: it has no method `person`")
    return source


def _groups(pull: Pull, user: Record) -> dict[str, frozenset[str]]:
    """The groups that list a user, each with the names by which it does, by a complete pull."""
    names, found = frozenset((user.id, *user.handles)), dict[str, frozenset[str]]()
    for item in pull.items:
        if isinstance(item, Members) and names & item.added:
            found[item.group] = found.get(item.group, frozenset()) | (names & item.added)
    return found
