"""Tests of changes that need a key which another change was to free but is refused."""
# ruff: noqa: A001, S101 - `id` is the word of the contract; tests are made of asserts

from __future__ import annotations

from collections.abc import Callable, Sequence

import pytest
from msgspec import Struct

from usersyncd.core.protection import Protection
from usersyncd.plugin import Change, Kind
from usersyncd.testing.target_contract.answers import Contents, asks, assert_answers, assert_holds
from usersyncd.testing.target_contract.fixtures import Deliver, Links, Look, Protections, Read, TargetFixtures
from usersyncd.testing.target_contract.shapes import Shape, alter, make, person, rename, ruled

ADA, BOB, EVE = person("ada"), person("bob"), person("eve")

ASKED = asks("refuse every change that needs a key which a refused change keeps", "rules-for-deliver")


class RefusedChange(Struct):
    """A change that would free Bob's key "bob", and the protection with which the target refuses it."""

    change: Change
    protection: Protections | None = None


REFUSALS: dict[str, Callable[[Shape], RefusedChange]] = {
    "its value is refused": lambda refused: RefusedChange(alter("u2", BOB, BOB | refused | {"login": "bob.k"})),
    "its new key is taken": lambda _: RefusedChange(rename("u2", BOB, "eve")),
    "it is protected": lambda _: RefusedChange(rename("u2", BOB, "bob.k"), {Kind.USER: Protection(frozenset({"bob"}))}),
}


class BlockedKeyPromises(TargetFixtures):
    """A change that needs a key which stays taken is refused too, and its object stays unchanged."""

    @pytest.fixture(params=list(REFUSALS))
    def holder(self, request: pytest.FixtureRequest, refused: Shape) -> RefusedChange:
        return REFUSALS[request.param](refused)

    @ruled
    @pytest.mark.parametrize("order", [(0, 1, 2), (2, 1, 0)], ids=["holder first", "holder last"])
    def test_a_change_that_needs_a_key_which_stays_taken_is_refused_too(
        self, deliver: Deliver, contents: Look, holder: RefusedChange, order: Sequence[int]
    ) -> None:
        """So is a change that needs the key of the first one; other changes are delivered."""
        dan, zoe = person("dan"), person("zoe")
        deliver(make("u1", ADA), make("u2", BOB), make("u3", EVE), make("u4", dan))
        changes = [holder.change, rename("u1", ADA, "bob"), rename("u4", dan, "ada")]
        outcomes = deliver(*(changes[number] for number in order), make("u5", zoe), protection=holder.protection)
        assert_answers(outcomes, ["refused", "refused", "refused", "delivered"], ASKED)
        assert_holds(contents(), Contents(users={"ada": ADA, "bob": BOB, "eve": EVE, "dan": dan, "zoe": zoe}), "users")

    @ruled
    def test_each_object_still_belongs_to_its_record(
        self, deliver: Deliver, read: Read, links: Links, holder: RefusedChange
    ) -> None:
        deliver(make("u1", ADA), make("u2", BOB), make("u3", EVE))
        ids = {links.target_id(Kind.USER, id): shape for id, shape in (("u1", ADA), ("u2", BOB), ("u3", EVE))}
        deliver(holder.change, rename("u1", ADA, "bob"), protection=holder.protection)
        assert {links.target_id(Kind.USER, id) for id in ("u1", "u2", "u3")} == ids.keys(), ASKED
        held = {held.target_id: held.key for held in read(*ids)}
        assert held == {id: shape["login"] for id, shape in ids.items()}, ASKED

    @ruled
    def test_a_new_user_does_not_get_the_object_that_keeps_the_key(
        self, deliver: Deliver, contents: Look, holder: RefusedChange
    ) -> None:
        self.must_look()
        deliver(make("u2", BOB), make("u3", EVE))
        newcomer = BOB | {"email": "another.bob@acme.example"}
        outcomes = deliver(holder.change, make("u1", newcomer), protection=holder.protection)
        assert_answers(outcomes, ["refused", "refused"], ASKED)
        assert [outcome.target_id for outcome in outcomes] == [None, None], ASKED
        assert_holds(contents(), Contents(users={"bob": BOB, "eve": EVE}), "users")
