"""Tests of keys that change, that are passed on, and that are taken."""
# ruff: noqa: S101 - tests are made of asserts

from __future__ import annotations

from collections.abc import Sequence

import pytest
from msgspec.structs import replace

from usersyncd.plugin import Kind, Lookup, Op
from usersyncd.testing.target_contract.answers import Contents, asks, assert_answers, assert_delivered, assert_holds
from usersyncd.testing.target_contract.fixtures import Deliver, Find, Links, Look, TargetFixtures
from usersyncd.testing.target_contract.shapes import (
    DIRECTORY,
    Key,
    Shape,
    alter,
    join,
    make,
    person,
    rename,
    ruled,
    team,
)


class KeyPromises(TargetFixtures):
    """An object keeps its record when its key changes."""

    @ruled
    def test_a_key_that_is_taken_is_refused_and_leaves_both_unchanged(self, deliver: Deliver, contents: Look) -> None:
        self.must_look()
        ada, bob, eve = person("ada"), person("bob"), person("eve")
        deliver(make("u1", ada), make("u2", bob))
        outcomes = deliver(make("u3", ada | {"email": "eve@acme.example"}), rename("u1", ada, bob["login"]))
        asked = asks("a create never takes over an object, and a key that is taken is refused", "change")
        assert_answers(outcomes, ["refused", "refused"], asked)
        assert_delivered(deliver(make("u3", eve)))
        assert_holds(contents(), Contents(users={"ada": ada, "bob": bob, "eve": eve}), "users")

    @ruled
    def test_a_record_keeps_its_object_when_its_key_changes(self, deliver: Deliver, contents: Look) -> None:
        """It is addressed by the target id: the old one, or the one that the change returned."""
        ada, app = person("ada"), team("app")
        deliver(make("u1", ada), make("g1", app, Kind.GROUP))
        deliver(join("g1", "app", ("u1", "ada")))
        married = ada | {"login": "ada.k"}
        assert_delivered(deliver(rename("u1", ada, "ada.k"), rename("g1", app, "app users", Kind.GROUP)))
        renamed = app | {"name": "app users"}
        assert_holds(contents(), Contents({"ada.k": married}, {"app users": renamed}), "users", "groups")
        # Some targets store memberships by record ids, which do not change.
        assert contents().memberships in ({("app users", "ada.k")}, {("g1", "u1")}), asks(
            "memberships stay with their objects when a key changes", "rules-for-deliver"
        )
        gone = married | {"active": False}
        assert_delivered(deliver(alter("u1", married, gone, op=Op.DEACTIVATE)))
        assert_holds(contents(), Contents(users={"ada.k": gone}), "users")
        assert_delivered(deliver(join("g1", "app users", ("u1", "ada.k"), op=Op.REMOVE)))
        assert_holds(contents(), Contents(memberships=set()), "memberships")

    @ruled
    def test_two_records_exchange_their_keys_in_one_batch(
        self,
        deliver: Deliver,
        contents: Look,
        links: Links,
    ) -> None:
        ada, bob = person("ada"), person("bob")
        app, ops = team("app"), team("ops")
        deliver(make("u1", ada), make("u2", bob), make("g1", app, Kind.GROUP), make("g2", ops, Kind.GROUP))
        assert_delivered(deliver(rename("u1", ada, "bob"), rename("u2", bob, "ada")))
        assert_delivered(deliver(rename("g1", app, "ops", Kind.GROUP), rename("g2", ops, "app", Kind.GROUP)))
        users: dict[Key, Shape] = {"bob": ada | {"login": "bob"}, "ada": bob | {"login": "ada"}}
        groups: dict[Key, Shape] = {"ops": app | {"name": "ops"}, "app": ops | {"name": "app"}}
        assert_holds(contents(), Contents(users, groups), "users", "groups")
        assert len({links.target_id(Kind.USER, each) for each in ("u1", "u2")}) == 2, asks(
            "each object has a target id of its own", "outcome"
        )

    @ruled
    @pytest.mark.parametrize("order", [(0, 1, 2), (2, 1, 0), (1, 2, 0)], ids=["first", "last", "mixed"])
    def test_a_chain_of_keys_moves_in_one_batch(self, deliver: Deliver, contents: Look, order: Sequence[int]) -> None:
        """The key that becomes free at the end of the chain goes to a new user."""
        people = [person(login) for login in ("a", "b", "c")]
        deliver(*(make(f"u{number}", shape) for number, shape in enumerate(people)))
        moves = [rename(f"u{number}", people[number], login) for number, login in enumerate(("b", "c", "d"))]
        newcomer = person("a") | {"email": "new@acme.example"}
        assert_delivered(deliver(*(moves[number] for number in order), make("u3", newcomer)))
        users: dict[Key, Shape] = {login: shape | {"login": login} for login, shape in zip("bcd", people, strict=True)}
        users["a"] = newcomer
        assert_holds(contents(), Contents(users), "users")

    @ruled
    def test_a_key_may_be_a_whole_number(self, deliver: Deliver, find: Find, links: Links) -> None:
        """An employee number, for example. Where the target stores it as text, it is still found as a number."""
        ada = person("ada") | {"login": 1815}
        assert_delivered(deliver(make("u1", ada), make("u2", person("bob") | {"login": 7})))
        assert_delivered(deliver(alter("u1", ada, ada | {"login": 1816})))
        found = {lookup.key: held for lookup, held in find(*(Lookup(DIRECTORY, "u9", key) for key in (7, 1816, 3)))}
        assert {key: (held.key, held.target_id) for key, held in found.items()} == {
            7: (7, links.target_id(Kind.USER, "u2")), 1816: (1816, links.target_id(Kind.USER, "u1")),
        }, asks("`key` equals the key of the lookup, in type too, if it is the same key", "held")  # fmt: skip
        answers = deliver(make("u3", person("eve") | {"login": 7}))
        assert_answers(answers, ["refused"], asks("a key that is taken is refused", "change"))

    @ruled
    def test_the_key_of_a_deleted_user_is_free_in_the_same_batch(self, deliver: Deliver, contents: Look) -> None:
        ada, bob = person("ada"), person("bob")
        deliver(make("u1", ada), make("u2", bob))
        removal = replace(alter("u1", ada, ada, op=Op.DELETE), after=None)
        newcomer = bob | {"email": "b@b.example"}
        assert_delivered(deliver(removal, rename("u2", bob, "ada"), make("u3", newcomer)))
        assert_holds(contents(), Contents({"ada": bob | {"login": "ada"}, "bob": newcomer}), "users")
