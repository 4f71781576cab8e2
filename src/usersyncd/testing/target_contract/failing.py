"""Tests of refused changes, and of a target that is down."""
# ruff: noqa: S101 - tests are made of asserts

from __future__ import annotations

import asyncio
from functools import partial

from usersyncd.plugin import Kind
from usersyncd.testing.target_contract.answers import (
    Contents,
    asks,
    assert_answers,
    assert_delivered,
    assert_down,
    assert_holds,
)
from usersyncd.testing.target_contract.fixtures import Act, Deliver, Find, Links, Look, Read, Start, TargetFixtures
from usersyncd.testing.target_contract.runs import check, closing, deliver_bob, identity, prepare
from usersyncd.testing.target_contract.shapes import ADA, APP, BOB, EVE, Shape, add, create, delete, update, wanted


class FailurePromises(TargetFixtures):
    """A refused change does not stop others; an unusable target raises TargetError."""

    def test_a_refused_record_fails_alone_and_says_why(self, deliver: Deliver, contents: Look, refused: Shape) -> None:
        deliver(create(BOB))
        newer = BOB | {"title": "Porter"}
        outcomes = deliver(create(ADA), create(EVE | refused), update(BOB, newer), create(APP, Kind.GROUP))
        asked = asks("a refused change does not stop the others", "rules-for-deliver")
        assert_answers(outcomes, ["delivered", "refused", "delivered", "delivered"], asked)
        assert str(outcomes[1].error).strip(), asks("`error` says why", "outcome")
        assert_delivered(deliver(add(APP, ADA, BOB)))
        expected = Contents({"u1": ADA, "u2": newer}, memberships={("g1", "u1"), ("g1", "u2")})
        assert_holds(contents(), expected, "users", "memberships")
        assert_delivered(deliver(create(EVE)))
        assert_holds(contents(), Contents(users={"u1": ADA, "u2": newer, "u3": EVE}), "users")

    def test_a_refused_update_leaves_the_record_unchanged(
        self, deliver: Deliver, contents: Look, refused: Shape
    ) -> None:
        deliver(create(ADA), create(BOB))
        outcomes = deliver(update(ADA, ADA | refused), delete(BOB))
        asked = asks("a refused change does not stop the others", "rules-for-deliver")
        assert_answers(outcomes, ["refused", "delivered"], asked)
        assert_holds(contents(), Contents(users={"u1": ADA}), "users")

    def test_an_unreachable_target_is_an_error(
        self,
        start: Start,
        deliver: Deliver,
        break_target: Act,
    ) -> None:
        deliver(create(ADA))
        break_target()
        for act in (identity, prepare, check, deliver_bob):
            assert_down(partial(asyncio.run, closing(start(), act)), f"`{act.__name__}`")

    def test_find_and_read_fail_for_an_unreachable_target(
        self,
        find: Find,
        read: Read,
        deliver: Deliver,
        break_target: Act,
        links: Links,
    ) -> None:
        deliver(create(ADA))
        break_target()
        assert_down(lambda: find(wanted(ADA)), "`find`")
        assert_down(lambda: read(links.target_id(Kind.USER, "u1")), "`read`")
