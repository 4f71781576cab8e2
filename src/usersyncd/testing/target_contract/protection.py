"""Tests of ``protect``."""
# ruff: noqa: S101 - tests are made of asserts

from __future__ import annotations

import pytest

from usersyncd.core.protection import Protection
from usersyncd.plugin import PROTECTED, Kind, Op
from usersyncd.testing.target_contract.answers import Contents, asks, assert_holds
from usersyncd.testing.target_contract.fixtures import Deliver, Look, TargetFixtures
from usersyncd.testing.target_contract.shapes import ADA, APP, BOB, OPS, add, create, delete, remove, update

ASKED = asks(
    "call `context.protected` with the object's current attributes, and refuse the change or member with `PROTECTED`",
    "targetcontext",
)


class ProtectionPromises(TargetFixtures):
    """A protected object and its memberships are never written."""

    @pytest.mark.parametrize(
        "protection",
        [Protection(frozenset({"u1"})), Protection(condition=lambda held: held.get("title") == "Engineer")],
        ids=["by key", "by a condition"],
    )
    def test_a_protected_user_is_never_written(
        self,
        deliver: Deliver,
        contents: Look,
        protection: Protection,
    ) -> None:
        deliver(create(ADA), create(BOB), create(APP, Kind.GROUP), create(OPS, Kind.GROUP))
        deliver(add(APP, ADA, BOB))
        protected = {Kind.USER: protection}
        for change in (
            update(ADA, ADA | {"title": "Porter"}),
            update(ADA, ADA | {"title": "Porter"}, op=Op.ADOPT),
            update(ADA, ADA | {"active": False}, op=Op.DEACTIVATE),
            update(ADA | {"active": False}, ADA | {"title": "Porter"}, op=Op.REACTIVATE),
            delete(ADA),
        ):
            newer = BOB | {"title": change.op.value}
            outcomes = deliver(change, update(BOB, newer), protection=protected)
            assert [outcome.error for outcome in outcomes] == [PROTECTED, None], f"{change.op.name}: {ASKED}"
            assert_holds(contents(), Contents(users={"u1": ADA, "u2": newer}), "users")
        outcomes = deliver(add(OPS, ADA, BOB), remove(APP, ADA, BOB), protection=protected)
        assert [(outcome.error, outcome.refused) for outcome in outcomes] == [(None, {"u1": PROTECTED})] * 2, ASKED
        assert_holds(contents(), Contents(memberships={("g1", "u1"), ("g2", "u2")}), "memberships")

    def test_a_protected_group_is_never_written(self, deliver: Deliver, contents: Look) -> None:
        deliver(create(ADA), create(BOB), create(APP, Kind.GROUP), create(OPS, Kind.GROUP))
        deliver(add(APP, ADA))
        outcomes = deliver(
            update(APP, APP | {"displayName": "mine"}, kind=Kind.GROUP),
            add(APP, BOB),
            remove(APP, ADA),
            add(OPS, BOB),
            delete(OPS, Kind.GROUP),
            protection={Kind.GROUP: Protection(frozenset({"g1"}))},
        )
        assert [outcome.error for outcome in outcomes] == [PROTECTED, PROTECTED, PROTECTED, None, None], ASKED
        assert_holds(contents(), Contents({"u1": ADA, "u2": BOB}, {"g1": APP}, {("g1", "u1")}))
