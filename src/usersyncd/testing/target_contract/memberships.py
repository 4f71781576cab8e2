"""Tests of memberships."""
# ruff: noqa: S101 - tests are made of asserts

from __future__ import annotations

from usersyncd.plugin import Kind
from usersyncd.testing.target_contract.answers import Answers, Contents, asks, assert_delivered, assert_holds
from usersyncd.testing.target_contract.fixtures import Deliver, Look, TargetFixtures
from usersyncd.testing.target_contract.shapes import ADA, APP, BOB, OPS, add, create, delete, remove


class MembershipPromises(TargetFixtures):
    """Members are added and removed."""

    def test_memberships_come_and_go(self, deliver: Deliver, contents: Look) -> None:
        deliver(create(ADA), create(BOB), create(APP, Kind.GROUP))
        for _ in range(2):
            assert_delivered(deliver(add(APP, ADA, BOB)))
            assert_holds(contents(), Contents(memberships={("g1", "u1"), ("g1", "u2")}), "memberships")
        for _ in range(2):
            assert_delivered(deliver(remove(APP, ADA)))
            assert_holds(contents(), Contents(memberships={("g1", "u2")}), "memberships")

    def test_groups_may_be_members(self, deliver: Deliver, contents: Look) -> None:
        deliver(create(ADA), create(APP, Kind.GROUP), create(OPS, Kind.GROUP))
        deliver(add(APP, ADA))
        assert_delivered(deliver(add(APP, OPS, kind=Kind.GROUP)))
        assert_holds(contents(), Contents(memberships={("g1", "u1"), ("g1", "g2")}), "memberships")
        assert_delivered(deliver(remove(APP, OPS, kind=Kind.GROUP)))
        assert_holds(contents(), Contents(memberships={("g1", "u1")}), "memberships")

    def test_a_deleted_member_is_refused_by_name_or_stored(self, deliver: Deliver, contents: Look) -> None:
        """An acknowledged membership exists. The other members of the change are added."""
        deliver(create(ADA), create(BOB), create(APP, Kind.GROUP), create(OPS, Kind.GROUP))
        deliver(delete(ADA), delete(OPS, Kind.GROUP))
        people, groups = deliver(add(APP, ADA, BOB), add(APP, OPS, kind=Kind.GROUP))
        asked = asks("name a member without an object in `refused` and `gone`, and add the others", "outcome")
        assert (people.error, people.absent, groups.error, groups.absent) == (None, False) * 2, asked
        assert all(reason.strip() for reason in (people.refused | groups.refused).values()), asked
        held = contents().memberships
        assert held - {("g1", "u1"), ("g1", "g2")} == {("g1", "u2")}, asked
        assert ("g1", "u1") in held or people.refused.keys() == people.gone == {"u1"}, asked
        assert ("g1", "g2") in held or groups.refused.keys() == groups.gone == {"g2"}, asked

    def test_removing_a_deleted_member_succeeds(self, deliver: Deliver, contents: Look) -> None:
        deliver(create(ADA), create(BOB), create(APP, Kind.GROUP), create(OPS, Kind.GROUP))
        deliver(add(APP, ADA, BOB), add(APP, OPS, kind=Kind.GROUP))
        deliver(delete(ADA), delete(OPS, Kind.GROUP))
        assert_delivered(deliver(remove(APP, ADA, BOB), remove(APP, OPS, kind=Kind.GROUP)))
        assert_holds(contents(), Contents(users={"u2": BOB}, groups={"g1": APP}))

    def test_adding_a_member_to_a_deleted_group_is_reported(self, deliver: Deliver, contents: Look) -> None:
        deliver(create(ADA), create(BOB), create(APP, Kind.GROUP), create(OPS, Kind.GROUP))
        deliver(add(APP, BOB))
        deliver(delete(APP, Kind.GROUP))
        added, removed, other = deliver(add(APP, ADA), remove(APP, BOB), add(OPS, ADA))
        reported = added.absent or added.error is not None or added.refused.keys() == {"u1"}
        asked = asks("`absent=True` for a group that does not exist; removing from it is delivered", "outcome")
        assert reported or ("g1", "u1") in contents().memberships, asked
        assert (removed.error, removed.refused) == (None, {}), asked
        assert_delivered(Answers([add(OPS, ADA)], [other]))
        assert contents().memberships - {("g1", "u1")} == {("g2", "u1")}, asked
