"""Tests of `find` and `read`."""
# ruff: noqa: S101 - tests are made of asserts

from __future__ import annotations

import pytest
from msgspec.structs import replace

from usersyncd.plugin import Kind, Lookup
from usersyncd.testing.target_contract.answers import asks, assert_delivered, assert_holds, single
from usersyncd.testing.target_contract.fixtures import Deliver, Find, Links, Look, Read, TargetFixtures, assert_held
from usersyncd.testing.target_contract.shapes import (
    ADA,
    APP,
    BOB,
    DIRECTORY,
    EVE,
    OTHER,
    add,
    create,
    delete,
    make,
    person,
    rename,
    ruled,
    wanted,
)

FIND = asks("`find` yields each object that has one of these keys now, with the lookup that it answers", "methods")
READ = asks("`read` yields each of these objects that exists", "methods")


class LookupPromises(TargetFixtures):
    """`find` and `read` return what was delivered."""

    def test_a_missing_object_is_not_found(self, find: Find) -> None:
        """Also before the target was ever prepared."""
        assert find(wanted(ADA)) == [], FIND
        assert find(wanted(APP), kind=Kind.GROUP) == [], FIND

    def test_a_missing_object_is_not_read(self, read: Read) -> None:
        """Also before the target was ever prepared, and with an id that it never returned."""
        assert read("no such id") == [], READ
        assert read("no such id", kind=Kind.GROUP) == [], READ

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
        }, FIND  # fmt: skip
        for lookup, held in found:
            assert_held(held, {"u1": ADA, "u2": BOB}[lookup.id])
        _, group = single(find(wanted(APP), kind=Kind.GROUP), FIND)
        assert group.target_id == links.target_id(Kind.GROUP, "g1"), FIND
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
        lookup, held = single(find(Lookup(DIRECTORY, "u9", "ada.k"), Lookup(DIRECTORY, "u8", "nobody")), FIND)
        assert (lookup.id, held.key, held.target_id) == ("u9", "ada.k", links.target_id(Kind.USER, "u1")), FIND
        assert not [held for _, held in find(Lookup(DIRECTORY, "u9", "ada")) if held.key == "ada"], FIND

    @ruled
    def test_each_lookup_has_its_answer(self, deliver: Deliver, find: Find, links: Links) -> None:
        """Two lookups may have the same key. A lookup of users does not find a group with this key."""
        deliver(make("u1", person("ada")))
        found = find(Lookup(DIRECTORY, "u8", "ada"), Lookup(DIRECTORY, "u9", "ada"))
        asked = asks("answer both of two lookups that ask for the same key", "lookup")
        assert sorted(lookup.id for lookup, _ in found) == ["u8", "u9"], asked
        assert {held.target_id for _, held in found} == {links.target_id(Kind.USER, "u1")}, asked
        assert find(Lookup(DIRECTORY, "g1", "ada"), kind=Kind.GROUP) == [], FIND

    def test_thousands_are_found_and_read_at_once(self, deliver: Deliver, find: Find, read: Read, links: Links) -> None:
        if self.target.capabilities.find == "each":
            pytest.skip("this target needs one query per lookup")
        deliver(create(ADA), create(BOB))
        strangers = [Lookup(DIRECTORY, f"s{number}", f"s{number}") for number in range(5000)]
        found = find(wanted(ADA), *strangers, wanted(BOB))
        assert {lookup.id for lookup, _ in found} == {"u1", "u2"}, FIND
        own = links.target_id(Kind.USER, "u1"), links.target_id(Kind.USER, "u2")
        assert {held.target_id for held in read(own[0], *(each.id for each in strangers), own[1])} == set(own), READ

    @ruled
    @pytest.mark.parametrize("alike", ["ADA", "ada "], ids=["by case", "by padding"])
    def test_a_key_that_is_equal_for_the_target_is_found(
        self, deliver: Deliver, find: Find, links: Links, alike: str
    ) -> None:
        """Otherwise it is another key, and both objects exist."""
        deliver(make("u1", person("ada")))
        [outcome] = deliver(make("u2", person(alike)))
        holder = "u2" if outcome.error is None else "u1"
        found = [held.target_id for _, held in find(Lookup(DIRECTORY, "u9", alike))]
        assert found == [links.target_id(Kind.USER, holder)], asks(
            "a key that is equal for the target is found too: refuse the create, and return its object", "methods"
        )

    @ruled
    def test_an_object_is_found_by_its_record_where_the_target_stores_it(self, deliver: Deliver, find: Find) -> None:
        deliver(make("u1", person("ada")), make("u2", person("bob")))
        _, held = single(find(Lookup(DIRECTORY, "u1", "ada")), FIND)
        if held.record is None:
            pytest.skip("this target does not store the record of an object")
        asked = asks("an object whose record the target stores is found for this record, whatever its key", "held")
        assert held.record == (DIRECTORY, "u1"), asked
        _, again = single(find(Lookup(DIRECTORY, "u1", "ada.k")), asked)
        assert again == held, asked

    def test_a_record_of_another_directory_is_another_one(self, deliver: Deliver, find: Find) -> None:
        """Without ``set`` a key is the record's id, which is unique in its directory only."""
        other = replace(create(BOB | {"id": "u1"}), directory=OTHER)
        outcomes = deliver(create(ADA), other)
        assert_delivered(outcomes)
        for directory, outcome in zip((DIRECTORY, OTHER), outcomes, strict=True):
            found = [held.target_id for _, held in find(Lookup(directory, "u1", "u1"))]
            assert found == [outcome.target_id], asks(
                "without rules, a key is unique in its directory only", "4-the-objects"
            )

    @ruled
    def test_a_target_id_that_lasts_stays_when_the_key_changes(
        self, deliver: Deliver, read: Read, links: Links
    ) -> None:
        """If it is not lasting, the outcome returns the new one."""
        ada = person("ada")
        deliver(make("u1", ada))
        before = links.target_id(Kind.USER, "u1")
        held = single(read(before), READ)
        deliver(rename("u1", ada, "ada.k"))
        now = links.target_id(Kind.USER, "u1")
        assert [held.key for held in read(now)] == ["ada.k"], READ
        assert now == before or not held.lasting, asks(
            "`lasting` is False where the target id changes when attributes are written", "held"
        )

    def test_objects_are_read_by_their_target_ids(self, deliver: Deliver, read: Read, links: Links) -> None:
        deliver(create(ADA), create(BOB), create(EVE), create(APP, Kind.GROUP))
        bob = links.target_id(Kind.USER, "u2")
        deliver(delete(BOB))
        ada, eve = links.target_id(Kind.USER, "u1"), links.target_id(Kind.USER, "u3")
        found = {held.target_id: held for held in read(ada, bob, eve)}
        assert found.keys() == {ada, eve}, READ
        assert_held(found[ada], ADA)
        assert_held(found[eve], EVE)
        group = single(read(links.target_id(Kind.GROUP, "g1"), kind=Kind.GROUP), READ)
        assert_held(group, APP)
        assert read() == [], READ

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
        assert (find(wanted(ADA), wanted(BOB)), read(links.target_id(Kind.USER, "u1"))) == first, asks(
            "`find` and `read` read only", "methods"
        )
        assert_holds(contents(), before)
