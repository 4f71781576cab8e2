"""Tests of renaming a directory."""
# ruff: noqa: S101 - tests are made of asserts

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from typing import cast

import pytest
from msgspec.structs import replace

from usersyncd.plugin import Kind, Lookup, RenamingTarget, Target
from usersyncd.testing.target_contract.answers import asks, assert_delivered, assert_holds, single
from usersyncd.testing.target_contract.fixtures import Deliver, Find, Links, Look, Read, Start, TargetFixtures
from usersyncd.testing.target_contract.runs import closing
from usersyncd.testing.target_contract.shapes import (
    ADA,
    APP,
    BOB,
    DIRECTORY,
    OTHER,
    add,
    create,
    join,
    make,
    person,
    ruled,
    team,
)

Ids = Mapping[Kind, Sequence[str]]
Rename = Callable[[str, str, Ids], Mapping[Kind, Mapping[str, str]]]
NEW = "new name"


class RenamingPromises(TargetFixtures):
    """Objects that store their directory get the new name, all at once; a repeated call returns the same."""

    @pytest.fixture
    def rename_directory(self, start: Start) -> Rename:
        """A function that renames a directory in a separate run."""
        if not self.target.capabilities.rename:
            pytest.skip("the objects of this target do not store their directory")

        async def act(target: Target, old: str, new: str, ids: Ids) -> Mapping[Kind, Mapping[str, str]]:
            await target.identity()
            await target.prepare()
            return await cast("RenamingTarget", target).rename(old, new, ids)

        return lambda old, new, ids: asyncio.run(closing(start(), lambda target: act(target, old, new, ids)))

    def test_a_renamed_directory_keeps_its_objects(
        self, deliver: Deliver, find: Find, read: Read, links: Links, rename_directory: Rename
    ) -> None:
        stranger = replace(create(BOB | {"id": "u1"}), directory=OTHER)
        deliver(create(ADA), create(APP, Kind.GROUP))
        [strange] = deliver(stranger)
        # Both have the id u1: the fixture `links` has only the last one.
        _, ada = single(find(Lookup(DIRECTORY, "u1", "u1")), asks("an object is found by its key", "methods"))
        ids = {Kind.USER: [ada.target_id], Kind.GROUP: [links.target_id(Kind.GROUP, "g1")]}
        now = rename_directory(DIRECTORY, NEW, ids)
        again = rename_directory(DIRECTORY, NEW, ids)
        same = asks("return the same when called again", "renamed-directories")
        assert again == now, f"{again} was returned, and {now} before; {same}"
        target_id = now.get(Kind.USER, {}).get(ada.target_id, ada.target_id)
        stays = asks("the objects stay as they are, under the target ids that `rename` returns", "renamed-directories")
        held = single(read(target_id), stays)
        assert (held.key, held.attributes) == (ada.key, ada.attributes), f"{ada} is {held} now; {stays}"
        assert held.record in (None, (NEW, "u1")), f"{held}; {asks('`record` has the new name', 'renamed-directories')}"
        _, found = single(
            find(Lookup(NEW, "u1", "u1")), asks("an object is found under the new name", "renamed-directories")
        )
        assert found.target_id == target_id, f"{found} was found; {stays}"
        gone = find(Lookup(DIRECTORY, "u1", "u1"))
        assert not gone, f"{gone} was found; {asks('nothing is found under the old name', 'renamed-directories')}"
        others = asks("other directories stay as they are", "renamed-directories")
        _, stranger_held = single(find(Lookup(OTHER, "u1", "u1")), others)
        assert stranger_held.target_id == strange.target_id, f"{stranger_held} was found; {others}"

    def test_a_directory_that_gets_its_old_name_back_is_as_before(
        self, deliver: Deliver, contents: Look, links: Links, rename_directory: Rename
    ) -> None:
        deliver(create(ADA), create(BOB), create(APP, Kind.GROUP))
        deliver(add(APP, ADA, BOB))
        before = contents()
        self._there_and_back(links, rename_directory)
        assert_holds(contents(), before)

    @ruled
    def test_a_directory_under_rules_that_gets_its_old_name_back_is_as_before(
        self, deliver: Deliver, find: Find, contents: Look, links: Links, rename_directory: Rename
    ) -> None:
        deliver(make("u1", person("ada")), make("u2", person("bob")), make("g1", team("ops"), Kind.GROUP))
        assert_delivered(deliver(join("g1", "ops", ("u1", "ada"))))
        before = contents()
        self._there_and_back(links, rename_directory)
        assert_holds(contents(), before)
        asked = asks("a directory that gets its old name back is as before", "renamed-directories")
        _, held = single(find(Lookup(DIRECTORY, "u1", "ada")), asked)
        assert held.target_id == links.target_id(Kind.USER, "u1"), f"{held}; {asked}"
        assert held.record in (None, (DIRECTORY, "u1")), f"{held}; {asked}"

    def _there_and_back(self, links: Links, rename_directory: Rename) -> None:
        ids = {
            Kind.USER: [links.target_id(Kind.USER, "u1"), links.target_id(Kind.USER, "u2")],
            Kind.GROUP: [links.target_id(Kind.GROUP, "g1")],
        }
        now = rename_directory(DIRECTORY, NEW, ids)
        there = {kind: [now.get(kind, {}).get(one, one) for one in some] for kind, some in ids.items()}
        back = rename_directory(NEW, DIRECTORY, there)
        found = {kind: [back.get(kind, {}).get(one, one) for one in some] for kind, some in there.items()}
        assert found == ids, (
            f"{ids} became {there}, and then {found}; {asks('an object has one target id', 'renamed-directories')}"
        )
