"""Tests of changes to one user or group."""
# ruff: noqa: S101 - tests are made of asserts

from __future__ import annotations

import pytest

from usersyncd.plugin import Change, Kind, Op
from usersyncd.testing.target_contract.answers import Contents, asks, assert_answers, assert_delivered, assert_holds
from usersyncd.testing.target_contract.fixtures import Deliver, Look, TargetFixtures
from usersyncd.testing.target_contract.shapes import (
    ADA,
    APP,
    BOB,
    DIRECTORY,
    EVE,
    OPS,
    Key,
    Shape,
    add,
    create,
    delete,
    make,
    person,
    ruled,
    update,
)


class RecordPromises(TargetFixtures):
    """Objects are created, changed, kept and deleted as each change says."""

    def test_one_outcome_for_each_change_in_their_order(self, deliver: Deliver, contents: Look) -> None:
        assert deliver() == [], asks("one outcome for each change: none for an empty batch", "rules-for-deliver")
        assert_delivered(deliver(create(ADA), create(BOB), create(APP, Kind.GROUP), create(OPS, Kind.GROUP)))
        assert_delivered(deliver(add(APP, ADA, BOB), add(OPS, ADA)))
        memberships: set[tuple[Key, Key]] = {("g1", "u1"), ("g1", "u2"), ("g2", "u1")}
        assert_holds(contents(), Contents({"u1": ADA, "u2": BOB}, {"g1": APP, "g2": OPS}, memberships))

    def test_a_create_gives_each_object_an_id_of_its_own(self, deliver: Deliver) -> None:
        outcomes = deliver(create(ADA), create(BOB), create(EVE))
        given = [outcome.target_id for outcome in outcomes]
        asked = asks("a create answers with `target_id`, the object's own identifier", "outcome")
        assert all(isinstance(target_id, str) and target_id for target_id in given), asked
        assert len(set(given)) == len(given), asked

    def test_an_update_writes_changed_and_clears_removed_attributes(self, deliver: Deliver, contents: Look) -> None:
        deliver(create(ADA), create(BOB), create(APP, Kind.GROUP))
        moved = ADA | {"department": "Works", "familyName": "Łącka 李"}
        del moved["title"]
        renamed = APP | {"displayName": "app users"}
        assert_delivered(deliver(update(ADA, moved), update(APP, renamed, kind=Kind.GROUP)))
        assert_holds(contents(), Contents(users={"u1": moved, "u2": BOB}, groups={"g1": renamed}))

    def test_a_leaver_is_deactivated_and_kept_and_may_come_back(self, deliver: Deliver, contents: Look) -> None:
        deliver(create(ADA), create(BOB))
        gone = ADA | {"active": False}
        for _ in range(2):
            assert_delivered(deliver(update(ADA, gone, op=Op.DEACTIVATE)))
            assert_holds(contents(), Contents(users={"u1": gone, "u2": BOB}), "users")
        for _ in range(2):
            assert_delivered(deliver(update(gone, ADA, op=Op.REACTIVATE)))
            assert_holds(contents(), Contents(users={"u1": ADA, "u2": BOB}), "users")

    @pytest.mark.parametrize("active", [True, False], ids=["active stays", "with active"])
    def test_a_leaver_may_get_other_attributes(self, deliver: Deliver, contents: Look, active: bool) -> None:
        """`leavers.set` names what a deactivation writes: with `active`, or without it. The op alone changes no
        attribute."""
        deliver(create(ADA), create(BOB))
        gone = ADA | {"title": "left", "active": active}
        del gone["department"]
        assert_delivered(deliver(update(ADA, gone, op=Op.DEACTIVATE)))
        assert_holds(contents(), Contents(users={"u1": gone, "u2": BOB}), "users")
        assert_delivered(deliver(update(gone, ADA, op=Op.REACTIVATE)))
        assert_holds(contents(), Contents(users={"u1": ADA, "u2": BOB}), "users")

    @ruled
    def test_a_leaver_of_earlier_rules_is_deactivated_and_keeps_the_rest(
        self, deliver: Deliver, contents: Look
    ) -> None:
        """The shapes have the names of the rules of the last delivery: the key may be missing, and there may be names
        that the layout does not have. The target may write or ignore those."""
        ada = person("ada")
        deliver(make("u1", ada), make("u2", person("bob")))
        before: Shape = {"email": ada["email"], "nickname": "Countess", "active": True}
        leaver = Change(Op.DEACTIVATE, Kind.USER, DIRECTORY, "u1", "ada", before, before | {"active": False})
        assert_delivered(deliver(leaver))
        held = contents()
        for shape in held.users.values():
            shape.pop("nickname", None)
        assert_holds(held, Contents({"ada": ada | {"active": False}, "bob": person("bob")}), "users")

    def test_a_deleted_record_takes_its_memberships_along(self, deliver: Deliver, contents: Look) -> None:
        deliver(create(ADA), create(BOB), create(APP, Kind.GROUP), create(OPS, Kind.GROUP))
        deliver(add(APP, ADA, BOB), add(OPS, ADA, BOB))
        assert_delivered(deliver(delete(OPS, Kind.GROUP), delete(ADA)))
        assert_holds(contents(), Contents({"u2": BOB}, {"g1": APP}, {("g1", "u2")}))

    def test_creating_an_existing_object_is_refused_and_leaves_it_unchanged(
        self, deliver: Deliver, contents: Look
    ) -> None:
        self.must_look()
        deliver(create(ADA), create(APP, Kind.GROUP))
        deliver(add(APP, ADA))
        newer, renamed = ADA | {"email": "ada.l@acme.example"}, APP | {"displayName": "mine"}
        outcomes = deliver(create(newer), create(BOB), create(renamed, Kind.GROUP))
        asked = asks("a create never takes over an object: when the key is taken, it is refused", "change")
        assert_answers(outcomes, ["refused", "delivered", "refused"], asked)
        assert_holds(contents(), Contents({"u1": ADA, "u2": BOB}, {"g1": APP}, {("g1", "u1")}))

    def test_an_object_may_be_adopted(self, deliver: Deliver, contents: Look) -> None:
        """It gets the new shape and keeps its memberships: only the plan removes those."""
        deliver(create(ADA), create(APP, Kind.GROUP))
        deliver(add(APP, ADA))
        newer, renamed = ADA | {"email": "ada.l@acme.example"}, APP | {"displayName": "mine"}
        changes = update(ADA, newer, op=Op.ADOPT), update(APP, renamed, op=Op.ADOPT, kind=Kind.GROUP)
        assert_delivered(deliver(*changes))
        assert_holds(contents(), Contents({"u1": newer}, {"g1": renamed}, {("g1", "u1")}))

    def test_deleting_a_missing_object_succeeds(self, deliver: Deliver, contents: Look) -> None:
        deliver(create(ADA), create(BOB), create(APP, Kind.GROUP))
        for _ in range(2):
            outcomes = deliver(delete(ADA), delete(APP, Kind.GROUP))
            asked = asks(
                "deleting an object that does not exist is not an error: `absent=True`, or delivered", "outcome"
            )
            assert [outcome.error for outcome in outcomes] == [None, None], asked
        assert_holds(contents(), Contents(users={"u2": BOB}))

    def test_a_missing_object_is_reported_and_not_created(self, deliver: Deliver, contents: Look) -> None:
        deliver(create(ADA), create(BOB), create(APP, Kind.GROUP), create(OPS, Kind.GROUP))
        deliver(delete(ADA), delete(APP, Kind.GROUP))
        outcomes = deliver(
            update(ADA, ADA | {"title": "Boss"}),
            update(ADA, ADA | {"title": "Boss"}, op=Op.ADOPT),
            update(ADA, ADA | {"active": False}, op=Op.DEACTIVATE),
            update(ADA | {"active": False}, ADA, op=Op.REACTIVATE),
            update(APP, APP | {"displayName": "mine"}, kind=Kind.GROUP),
        )
        assert_answers(outcomes, ["absent"] * 5, asks("`absent=True` where the object does not exist", "outcome"))
        assert_holds(contents(), Contents(users={"u2": BOB}, groups={"g2": OPS}))
