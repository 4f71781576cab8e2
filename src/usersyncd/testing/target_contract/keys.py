"""Keys that change, move on, and are taken."""
# ruff: noqa: S101 - tests are made of asserts

from __future__ import annotations

from collections.abc import Sequence

import pytest
from msgspec.structs import replace

from usersyncd.plugin import Kind, Op
from usersyncd.testing.target_contract.bench import Deliver, Links, Look, TargetBench, done
from usersyncd.testing.target_contract.shapes import alter, join, make, person, rename, ruled, team


class KeyPromises(TargetBench):
    """An object stays with its record, whatever becomes of its key."""

    @ruled
    def test_a_key_that_is_taken_is_refused_and_leaves_both_as_they_were(
        self, deliver: Deliver, contents: Look
    ) -> None:
        self.must_look()
        ada, bob, eve = person("ada"), person("bob"), person("eve")
        deliver(make("u1", ada), make("u2", bob))
        outcomes = deliver(make("u3", ada | {"email": "eve@acme.example"}), rename("u1", ada, bob["login"]))
        assert [outcome.error is None for outcome in outcomes] == [False, False]
        assert done(deliver(make("u3", eve)))
        assert contents().users == {"ada": ada, "bob": bob, "eve": eve}

    @ruled
    def test_a_record_keeps_its_object_when_its_key_changes(self, deliver: Deliver, contents: Look) -> None:
        """It is addressed by the target id: the one that it had, or the one that the change gave."""
        ada, app = person("ada"), team("app")
        deliver(make("u1", ada), make("g1", app, Kind.GROUP))
        deliver(join("g1", "app", ("u1", "ada")))
        married = ada | {"login": "ada.k"}
        assert done(deliver(rename("u1", ada, "ada.k"), rename("g1", app, "app users", Kind.GROUP)))
        renamed = app | {"name": "app users"}
        assert (contents().users, contents().groups) == ({"ada.k": married}, {"app users": renamed})
        gone = married | {"active": False}
        assert done(deliver(alter("u1", married, gone, op=Op.DEACTIVATE)))
        assert contents().users == {"ada.k": gone}
        assert done(deliver(join("g1", "app users", ("u1", "ada.k"), op=Op.REMOVE)))
        assert contents().memberships == set()

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
        assert done(deliver(rename("u1", ada, "bob"), rename("u2", bob, "ada")))
        assert done(deliver(rename("g1", app, "ops", Kind.GROUP), rename("g2", ops, "app", Kind.GROUP)))
        held = contents()
        assert held.users == {"bob": ada | {"login": "bob"}, "ada": bob | {"login": "ada"}}
        assert held.groups == {"ops": app | {"name": "ops"}, "app": ops | {"name": "app"}}
        assert len({links.target_id(Kind.USER, each) for each in ("u1", "u2")}) == 2

    @ruled
    @pytest.mark.parametrize("order", [(0, 1, 2), (2, 1, 0), (1, 2, 0)], ids=["first", "last", "mixed"])
    def test_a_chain_of_keys_moves_in_one_batch(self, deliver: Deliver, contents: Look, order: Sequence[int]) -> None:
        """And the key that the chain leaves goes to a newcomer."""
        people = [person(login) for login in ("a", "b", "c")]
        deliver(*(make(f"u{number}", shape) for number, shape in enumerate(people)))
        moves = [rename(f"u{number}", people[number], login) for number, login in enumerate(("b", "c", "d"))]
        newcomer = person("a") | {"email": "new@acme.example"}
        assert done(deliver(*(moves[number] for number in order), make("u3", newcomer)))
        assert contents().users == {
            "a": newcomer, "b": people[0] | {"login": "b"}, "c": people[1] | {"login": "c"},
            "d": people[2] | {"login": "d"},
        }  # fmt: skip

    @ruled
    def test_the_key_of_who_is_deleted_is_free_in_the_same_batch(self, deliver: Deliver, contents: Look) -> None:
        ada, bob = person("ada"), person("bob")
        deliver(make("u1", ada), make("u2", bob))
        removal = replace(alter("u1", ada, ada, op=Op.DELETE), after=None)
        assert done(deliver(removal, rename("u2", bob, "ada"), make("u3", person("bob") | {"email": "b@b.example"})))
        assert contents().users == {
            "ada": bob | {"login": "ada"}, "bob": person("bob") | {"email": "b@b.example"},
        }  # fmt: skip
