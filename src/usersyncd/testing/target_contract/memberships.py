"""Who is in which group."""
# ruff: noqa: S101 - tests are made of asserts

from __future__ import annotations

from usersyncd.plugin import Kind
from usersyncd.testing.target_contract.bench import Deliver, Look, TargetBench, done
from usersyncd.testing.target_contract.shapes import ADA, APP, BOB, OPS, add, create, remove


class MembershipPromises(TargetBench):
    """Edges come and go."""

    def test_memberships_come_and_go(self, deliver: Deliver, contents: Look) -> None:
        deliver(create(ADA), create(BOB), create(APP, Kind.GROUP))
        for _ in range(2):
            assert done(deliver(add(APP, ADA, BOB)))
            assert contents().memberships == {("g1", "u1"), ("g1", "u2")}
        for _ in range(2):
            assert done(deliver(remove(APP, ADA)))
            assert contents().memberships == {("g1", "u2")}

    def test_groups_may_be_members(self, deliver: Deliver, contents: Look) -> None:
        deliver(create(ADA), create(APP, Kind.GROUP), create(OPS, Kind.GROUP))
        deliver(add(APP, ADA))
        assert done(deliver(add(APP, OPS, kind=Kind.GROUP)))
        assert contents().memberships == {("g1", "u1"), ("g1", "g2")}
        assert done(deliver(remove(APP, OPS, kind=Kind.GROUP)))
        assert contents().memberships == {("g1", "u1")}
