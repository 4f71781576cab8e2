"""What a target says that it holds."""
# ruff: noqa: S101 - tests are made of asserts

from __future__ import annotations

from usersyncd.plugin import Kind, Lookup
from usersyncd.testing.target_contract.bench import Deliver, Find, Links, Look, Read, TargetBench, assert_held
from usersyncd.testing.target_contract.shapes import (
    ADA,
    APP,
    BOB,
    DIRECTORY,
    EVE,
    add,
    create,
    delete,
    make,
    person,
    rename,
    ruled,
    wanted,
)


class LookingPromises(TargetBench):
    """What is found and read is what was delivered."""

    def test_what_is_not_there_is_not_found(self, find: Find) -> None:
        """Also before the target was ever made ready."""
        assert find(wanted(ADA)) == []
        assert find(wanted(APP), kind=Kind.GROUP) == []

    def test_an_object_is_found_by_its_key(
        self,
        deliver: Deliver,
        find: Find,
        links: Links,
    ) -> None:
        deliver(create(ADA), create(BOB), create(APP, Kind.GROUP))
        found = find(wanted(ADA), wanted(EVE), wanted(BOB))
        assert {lookup.id: held.target_id for lookup, held in found} == {
            "u1": links.target_id(Kind.USER, "u1"), "u2": links.target_id(Kind.USER, "u2"),
        }  # fmt: skip
        for lookup, held in found:
            assert_held(held, {"u1": ADA, "u2": BOB}[lookup.id])
        [(_, group)] = find(wanted(APP), kind=Kind.GROUP)
        assert group.target_id == links.target_id(Kind.GROUP, "g1")
        assert_held(group, APP)

    @ruled
    def test_an_object_is_found_by_the_key_that_it_has_now(
        self,
        deliver: Deliver,
        find: Find,
        links: Links,
    ) -> None:
        ada = person("ada")
        deliver(make("u1", ada))
        deliver(rename("u1", ada, "ada.k"))
        [(lookup, held)] = find(Lookup(DIRECTORY, "u9", "ada.k"), Lookup(DIRECTORY, "u8", "nobody"))
        assert (lookup.id, held.key, held.target_id) == ("u9", "ada.k", links.target_id(Kind.USER, "u1"))
        assert not [held for _, held in find(Lookup(DIRECTORY, "u9", "ada")) if held.key == "ada"]

    def test_objects_are_read_by_their_target_ids(self, deliver: Deliver, read: Read, links: Links) -> None:
        deliver(create(ADA), create(BOB), create(EVE), create(APP, Kind.GROUP))
        bob = links.target_id(Kind.USER, "u2")
        deliver(delete(BOB))
        ada, eve = links.target_id(Kind.USER, "u1"), links.target_id(Kind.USER, "u3")
        found = {held.target_id: held for held in read(ada, bob, eve)}
        assert found.keys() == {ada, eve}
        assert_held(found[ada], ADA)
        assert_held(found[eve], EVE)
        [group] = read(links.target_id(Kind.GROUP, "g1"), kind=Kind.GROUP)
        assert_held(group, APP)
        assert read() == []

    def test_looking_changes_nothing(
        self,
        deliver: Deliver,
        find: Find,
        read: Read,
        contents: Look,
        links: Links,
    ) -> None:
        deliver(create(ADA), create(APP, Kind.GROUP))
        deliver(add(APP, ADA))
        before = contents()
        first = find(wanted(ADA), wanted(BOB)), read(links.target_id(Kind.USER, "u1"))
        assert (find(wanted(ADA), wanted(BOB)), read(links.target_id(Kind.USER, "u1"))) == first
        assert contents() == before
