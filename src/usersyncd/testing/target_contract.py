"""The promises of a target, as tests. Inherit them, and say how to look into a target that you can fill::

    class TestShop(TargetContract):
        target = ShopTarget

        @pytest.fixture
        def options(self, shop): ...        # an empty target; return its options, as in the YAML

        @pytest.fixture
        def contents(self, shop, layouts): ...      # return a function that says what it holds

        @pytest.fixture
        def refused(self): ...              # attributes that the target refuses in a user

        @pytest.fixture
        def break_target(self, shop): ...   # return a function that makes it unreachable

The tests are plain functions and start their own event loops, so pytest is all they need.
"""
# ruff: noqa: A002, S101 - `id` is the word of the contract; tests are made of asserts

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar, TypeVar

import pytest
from msgspec import Struct, field
from msgspec.structs import replace
from pydantic import BaseModel, ValidationError

from usersyncd.core.protection import Protection
from usersyncd.errors import TargetError
from usersyncd.plugin import (
    API,
    PROTECTED,
    Change,
    Held,
    Kind,
    Layout,
    Lookup,
    Member,
    Op,
    Outcome,
    Target,
    Value,
)
from usersyncd.testing.contexts import OWN_LAYOUTS, Log, target_context
from usersyncd.testing.source_contract import imported_of_usersyncd

T = TypeVar("T")

Shape = dict[str, Value]
Key = str | int
Protections = Mapping[Kind, Protection]

DIRECTORY = "directory"

RULED_LAYOUTS: Mapping[Kind, Layout] = {
    Kind.USER: Layout(("login", "email", "active"), key="login", ruled=True),
    Kind.GROUP: Layout(("name", "note"), key="name", ruled=True),
}
"""Shapes as an admin's rules may make them, with a key that can change."""

ruled = pytest.mark.parametrize("layouts", [RULED_LAYOUTS], ids=["ruled"])


class Contents(Struct):
    """What a target holds for the directory of the tests, in the words of its layouts: shapes by key, without absent
    attributes; memberships as (group's key, member's key)."""

    users: dict[Key, Shape] = field(default_factory=dict)
    groups: dict[Key, Shape] = field(default_factory=dict)
    memberships: set[tuple[Key, Key]] = field(default_factory=set)


class TargetContract:
    """One test for each promise. Override ``target``, ``options``, ``contents``, ``refused`` and ``break_target``."""

    target: ClassVar[type[Target]]
    """The class under test."""

    secrets: ClassVar[tuple[str, ...]] = ()
    """Secrets that the target's options refer to. They must not be seen anywhere."""

    @pytest.fixture
    def layouts(self) -> Mapping[Kind, Layout]:
        """How shapes look. Some tests set ``RULED_LAYOUTS`` here."""
        return OWN_LAYOUTS

    @pytest.fixture
    def options(self) -> Mapping[str, Any]:
        """The options of a target that is empty, and ready for shapes that look like ``layouts``."""
        raise NotImplementedError("override the fixture `options`: return options as the admin writes them")

    @pytest.fixture
    def contents(self) -> Callable[[], Contents]:
        """A function that reads what the target holds."""
        raise NotImplementedError("override the fixture `contents`: return a function that returns Contents")

    @pytest.fixture
    def refused(self) -> Shape:
        """Attributes (of the own layout) with which the target refuses a user: too long, of a wrong form."""
        raise NotImplementedError("override the fixture `refused`: return attributes")

    @pytest.fixture
    def break_target(self) -> Callable[[], object]:
        """What makes the target unreachable."""
        raise NotImplementedError("override the fixture `break_target`: return a function")

    @pytest.fixture
    def folder(self, tmp_path: Path) -> Path:
        """The folder to which relative paths in options are relative."""
        return tmp_path

    @pytest.fixture
    def log(self) -> Log:
        return Log()

    @pytest.fixture
    def start(
        self, options: Mapping[str, Any], layouts: Mapping[Kind, Layout], folder: Path, log: Log
    ) -> Callable[..., Target]:
        """A function that constructs the target anew, as every run does; ``protection``: what it must not write."""

        def construct(*, protection: Protections | None = None) -> Target:
            context = target_context(folder, layouts=layouts, directories=(DIRECTORY,), protection=protection, log=log)
            return self.target(self.target.Options.model_validate(options), context)

        return construct

    @pytest.fixture
    def links(self) -> Links:
        """The target ids that the target gave."""
        return Links()

    @pytest.fixture
    def deliver(self, start: Callable[..., Target], links: Links) -> Callable[..., list[Outcome]]:
        """A function that delivers changes in a run of their own, and returns the outcomes. Changes are addressed by
        the target ids that earlier outcomes gave."""

        def run(*changes: Change, protection: Protections | None = None) -> list[Outcome]:
            addressed = [links.address(change) for change in changes]
            outcomes = asyncio.run(_deliver(start(protection=protection), addressed))
            for change, outcome in zip(changes, outcomes, strict=True):
                links.learn(change, outcome)
            return outcomes

        return run

    @pytest.fixture
    def find(self, start: Callable[..., Target]) -> Callable[..., list[tuple[Lookup, Held]]]:
        """A function that looks for records by their keys."""
        if self.target.capabilities.find is None:
            pytest.skip("this target cannot look for keys")
        return lambda *lookups, kind=Kind.USER: asyncio.run(_find(start(), kind, lookups))

    @pytest.fixture
    def read(self, start: Callable[..., Target]) -> Callable[..., list[Held]]:
        """A function that reads objects by their target ids."""
        if not self.target.capabilities.read:
            pytest.skip("this target cannot be read")
        return lambda *target_ids, kind=Kind.USER: asyncio.run(_read(start(), kind, target_ids))

    # ------------------------------------------------------------------------------------------------- the class

    def test_states_the_version_of_the_contract(self, start: Callable[..., Target]) -> None:
        assert self.target.api == API
        assert isinstance(start(), Target)

    def test_options_refuse_an_unknown_key(self, options: Mapping[str, Any]) -> None:
        assert issubclass(self.target.Options, BaseModel)
        with pytest.raises(ValidationError, match="no_such_option"):
            self.target.Options.model_validate({**options, "no_such_option": 1})

    def test_options_document_themselves(self) -> None:
        schema = self.target.Options.model_json_schema()
        assert schema.get("description"), "give the Options class a docstring"
        bare = [name for name, option in schema.get("properties", {}).items() if not option.get("description")]
        assert not bare, "give each option a Field(description=…)"

    def test_imports_nothing_else_of_usersyncd(self) -> None:
        """What a connector needs of the world comes through its context: everything else may change at any time."""
        assert imported_of_usersyncd(self.target) <= {"usersyncd.plugin", "usersyncd.errors"}

    def test_says_which_target_it_is(self, start: Callable[..., Target], deliver: Callable[..., list[Outcome]]) -> None:
        """The same in every run, before and after the target was made ready and written."""
        before = asyncio.run(_closing(start(), _identity))
        assert before.strip()
        deliver(create(ADA))
        assert asyncio.run(_closing(start(), _identity)) == before

    # --------------------------------------------------------------------------------------------------- records

    def test_one_outcome_for_each_change_in_their_order(
        self, deliver: Callable[..., list[Outcome]], contents: Callable[[], Contents]
    ) -> None:
        assert deliver() == []
        assert done(deliver(create(ADA), create(BOB), create(APP, Kind.GROUP), create(OPS, Kind.GROUP)))
        assert done(deliver(add(APP, ADA, BOB), add(OPS, ADA)))
        assert contents() == Contents(
            users={"u1": ADA, "u2": BOB},
            groups={"g1": APP, "g2": OPS},
            memberships={("g1", "u1"), ("g1", "u2"), ("g2", "u1")},
        )

    def test_a_create_gives_each_object_an_id_of_its_own(self, deliver: Callable[..., list[Outcome]]) -> None:
        outcomes = deliver(create(ADA), create(BOB), create(EVE))
        given = [outcome.target_id for outcome in outcomes]
        assert all(given)
        assert len(set(given)) == len(given)

    def test_an_update_writes_what_changed_and_clears_what_is_gone(
        self, deliver: Callable[..., list[Outcome]], contents: Callable[[], Contents]
    ) -> None:
        deliver(create(ADA), create(BOB), create(APP, Kind.GROUP))
        moved = ADA | {"department": "Works", "familyName": "Łącka 李"}
        del moved["title"]
        renamed = APP | {"displayName": "app users"}
        assert done(deliver(update(ADA, moved), update(APP, renamed, kind=Kind.GROUP)))
        assert contents() == Contents(users={"u1": moved, "u2": BOB}, groups={"g1": renamed})

    def test_a_leaver_is_deactivated_and_kept_and_may_come_back(
        self, deliver: Callable[..., list[Outcome]], contents: Callable[[], Contents]
    ) -> None:
        deliver(create(ADA), create(BOB))
        gone = ADA | {"active": False}
        for _ in range(2):
            assert done(deliver(update(ADA, gone, op=Op.DEACTIVATE)))
            assert contents().users == {"u1": gone, "u2": BOB}
        for _ in range(2):
            assert done(deliver(update(gone, ADA, op=Op.REACTIVATE)))
            assert contents().users == {"u1": ADA, "u2": BOB}

    def test_a_deleted_record_takes_its_memberships_along(
        self, deliver: Callable[..., list[Outcome]], contents: Callable[[], Contents]
    ) -> None:
        deliver(create(ADA), create(BOB), create(APP, Kind.GROUP), create(OPS, Kind.GROUP))
        deliver(add(APP, ADA, BOB), add(OPS, ADA, BOB))
        assert done(deliver(delete(OPS, Kind.GROUP), delete(ADA)))
        assert contents() == Contents({"u2": BOB}, {"g1": APP}, {("g1", "u2")})

    def test_creating_what_is_there_is_refused_and_leaves_it_as_it_was(
        self, deliver: Callable[..., list[Outcome]], contents: Callable[[], Contents]
    ) -> None:
        self._must_look()
        deliver(create(ADA), create(APP, Kind.GROUP))
        deliver(add(APP, ADA))
        newer, renamed = ADA | {"email": "ada.l@acme.example"}, APP | {"displayName": "mine"}
        outcomes = deliver(create(newer), create(BOB), create(renamed, Kind.GROUP))
        assert [outcome.error is None for outcome in outcomes] == [False, True, False]
        assert contents() == Contents({"u1": ADA, "u2": BOB}, {"g1": APP}, {("g1", "u1")})

    @ruled
    def test_a_key_that_is_taken_is_refused_and_leaves_both_as_they_were(
        self, deliver: Callable[..., list[Outcome]], contents: Callable[[], Contents]
    ) -> None:
        self._must_look()
        ada, bob, eve = person("ada"), person("bob"), person("eve")
        deliver(make("u1", ada), make("u2", bob))
        outcomes = deliver(make("u3", ada | {"email": "eve@acme.example"}), rename("u1", ada, bob["login"]))
        assert [outcome.error is None for outcome in outcomes] == [False, False]
        assert done(deliver(make("u3", eve)))
        assert contents().users == {"ada": ada, "bob": bob, "eve": eve}

    def test_an_object_may_be_adopted(
        self, deliver: Callable[..., list[Outcome]], contents: Callable[[], Contents]
    ) -> None:
        """It is brought to the new shape, and keeps its memberships: to take those is the plan's part."""
        deliver(create(ADA), create(APP, Kind.GROUP))
        deliver(add(APP, ADA))
        newer, renamed = ADA | {"email": "ada.l@acme.example"}, APP | {"displayName": "mine"}
        changes = update(ADA, newer, op=Op.ADOPT), update(APP, renamed, op=Op.ADOPT, kind=Kind.GROUP)
        assert done(deliver(*changes))
        assert contents() == Contents({"u1": newer}, {"g1": renamed}, {("g1", "u1")})

    def test_deleting_what_is_not_there_succeeds(
        self, deliver: Callable[..., list[Outcome]], contents: Callable[[], Contents]
    ) -> None:
        deliver(create(ADA), create(BOB), create(APP, Kind.GROUP))
        for _ in range(2):
            outcomes = deliver(delete(ADA), delete(APP, Kind.GROUP))
            assert [outcome.error for outcome in outcomes] == [None, None]
        assert contents() == Contents(users={"u2": BOB})

    def test_what_is_not_there_is_told_and_not_made(
        self, deliver: Callable[..., list[Outcome]], contents: Callable[[], Contents]
    ) -> None:
        deliver(create(ADA), create(BOB), create(APP, Kind.GROUP), create(OPS, Kind.GROUP))
        deliver(delete(ADA), delete(APP, Kind.GROUP))
        outcomes = deliver(
            update(ADA, ADA | {"title": "Boss"}),
            update(ADA, ADA | {"active": False}, op=Op.DEACTIVATE),
            update(APP, APP | {"displayName": "mine"}, kind=Kind.GROUP),
        )
        assert [(outcome.error, outcome.absent) for outcome in outcomes] == [(None, True)] * 3
        assert contents() == Contents(users={"u2": BOB}, groups={"g2": OPS})

    # ------------------------------------------------------------------------------------------ keys that change

    @ruled
    def test_a_record_keeps_its_object_when_its_key_changes(
        self, deliver: Callable[..., list[Outcome]], contents: Callable[[], Contents]
    ) -> None:
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
        deliver: Callable[..., list[Outcome]],
        contents: Callable[[], Contents],
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
    def test_a_chain_of_keys_moves_in_one_batch(
        self, deliver: Callable[..., list[Outcome]], contents: Callable[[], Contents], order: Sequence[int]
    ) -> None:
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
    def test_the_key_of_who_is_deleted_is_free_in_the_same_batch(
        self, deliver: Callable[..., list[Outcome]], contents: Callable[[], Contents]
    ) -> None:
        ada, bob = person("ada"), person("bob")
        deliver(make("u1", ada), make("u2", bob))
        removal = replace(alter("u1", ada, ada, op=Op.DELETE), after=None)
        assert done(deliver(removal, rename("u2", bob, "ada"), make("u3", person("bob") | {"email": "b@b.example"})))
        assert contents().users == {
            "ada": bob | {"login": "ada"}, "bob": person("bob") | {"email": "b@b.example"},
        }  # fmt: skip

    # ----------------------------------------------------------------------------------------------- memberships

    def test_memberships_come_and_go(
        self, deliver: Callable[..., list[Outcome]], contents: Callable[[], Contents]
    ) -> None:
        deliver(create(ADA), create(BOB), create(APP, Kind.GROUP))
        for _ in range(2):
            assert done(deliver(add(APP, ADA, BOB)))
            assert contents().memberships == {("g1", "u1"), ("g1", "u2")}
        for _ in range(2):
            assert done(deliver(remove(APP, ADA)))
            assert contents().memberships == {("g1", "u2")}

    def test_groups_may_be_members(
        self, deliver: Callable[..., list[Outcome]], contents: Callable[[], Contents]
    ) -> None:
        deliver(create(ADA), create(APP, Kind.GROUP), create(OPS, Kind.GROUP))
        deliver(add(APP, ADA))
        assert done(deliver(add(APP, OPS, kind=Kind.GROUP)))
        assert contents().memberships == {("g1", "u1"), ("g1", "g2")}
        assert done(deliver(remove(APP, OPS, kind=Kind.GROUP)))
        assert contents().memberships == {("g1", "u1")}

    # --------------------------------------------------------------------------------------------------- looking

    def test_what_is_not_there_is_not_found(self, find: Callable[..., list[tuple[Lookup, Held]]]) -> None:
        """Also before the target was ever made ready."""
        assert find(wanted(ADA)) == []
        assert find(wanted(APP), kind=Kind.GROUP) == []

    def test_an_object_is_found_by_its_key(
        self,
        deliver: Callable[..., list[Outcome]],
        find: Callable[..., list[tuple[Lookup, Held]]],
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
        deliver: Callable[..., list[Outcome]],
        find: Callable[..., list[tuple[Lookup, Held]]],
        links: Links,
    ) -> None:
        ada = person("ada")
        deliver(make("u1", ada))
        deliver(rename("u1", ada, "ada.k"))
        [(lookup, held)] = find(Lookup(DIRECTORY, "u9", "ada.k"), Lookup(DIRECTORY, "u8", "nobody"))
        assert (lookup.id, held.key, held.target_id) == ("u9", "ada.k", links.target_id(Kind.USER, "u1"))
        assert not [held for _, held in find(Lookup(DIRECTORY, "u9", "ada")) if held.key == "ada"]

    def test_objects_are_read_by_their_target_ids(
        self, deliver: Callable[..., list[Outcome]], read: Callable[..., list[Held]], links: Links
    ) -> None:
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
        deliver: Callable[..., list[Outcome]],
        find: Callable[..., list[tuple[Lookup, Held]]],
        read: Callable[..., list[Held]],
        contents: Callable[[], Contents],
        links: Links,
    ) -> None:
        deliver(create(ADA), create(APP, Kind.GROUP))
        deliver(add(APP, ADA))
        before = contents()
        first = find(wanted(ADA), wanted(BOB)), read(links.target_id(Kind.USER, "u1"))
        assert (find(wanted(ADA), wanted(BOB)), read(links.target_id(Kind.USER, "u1"))) == first
        assert contents() == before

    # -------------------------------------------------------------------------------------------------- protected

    @pytest.mark.parametrize(
        "protection",
        [Protection(frozenset({"u1"})), Protection(condition=lambda held: held.get("title") == "Engineer")],
        ids=["by key", "by a condition"],
    )
    def test_a_protected_user_is_never_written(
        self,
        deliver: Callable[..., list[Outcome]],
        contents: Callable[[], Contents],
        protection: Protection,
    ) -> None:
        deliver(create(ADA), create(BOB), create(APP, Kind.GROUP), create(OPS, Kind.GROUP))
        deliver(add(APP, ADA, BOB))
        protected = {Kind.USER: protection}
        for change in (
            update(ADA, ADA | {"title": "Porter"}),
            update(ADA, ADA | {"title": "Porter"}, op=Op.ADOPT),
            update(ADA, ADA | {"active": False}, op=Op.DEACTIVATE),
            delete(ADA),
        ):
            newer = BOB | {"title": change.op.value}
            outcomes = deliver(change, update(BOB, newer), protection=protected)
            assert [outcome.error for outcome in outcomes] == [PROTECTED, None]
            assert contents().users == {"u1": ADA, "u2": newer}
        outcomes = deliver(add(OPS, ADA, BOB), remove(APP, ADA, BOB), protection=protected)
        assert [(outcome.error, outcome.refused) for outcome in outcomes] == [(None, {"u1": PROTECTED})] * 2
        assert contents().memberships == {("g1", "u1"), ("g2", "u2")}

    def test_a_protected_group_is_never_written(
        self, deliver: Callable[..., list[Outcome]], contents: Callable[[], Contents]
    ) -> None:
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
        assert [outcome.error for outcome in outcomes] == [PROTECTED, PROTECTED, PROTECTED, None, None]
        assert contents() == Contents({"u1": ADA, "u2": BOB}, {"g1": APP}, {("g1", "u1")})

    # --------------------------------------------------------------------------------------------------- failing

    def test_a_refused_record_fails_alone_and_says_why(
        self, deliver: Callable[..., list[Outcome]], contents: Callable[[], Contents], refused: Shape
    ) -> None:
        deliver(create(BOB))
        newer = BOB | {"title": "Porter"}
        outcomes = deliver(create(ADA), create(EVE | refused), update(BOB, newer), create(APP, Kind.GROUP))
        assert [outcome.error is None for outcome in outcomes] == [True, False, True, True]
        assert str(outcomes[1].error).strip()
        assert done(deliver(add(APP, ADA, BOB)))
        held = contents()
        assert held.users == {"u1": ADA, "u2": newer}
        assert held.memberships == {("g1", "u1"), ("g1", "u2")}
        assert done(deliver(create(EVE)))
        assert contents().users == {"u1": ADA, "u2": newer, "u3": EVE}

    def test_a_refused_update_leaves_the_record_as_it_was(
        self, deliver: Callable[..., list[Outcome]], contents: Callable[[], Contents], refused: Shape
    ) -> None:
        deliver(create(ADA), create(BOB))
        outcomes = deliver(update(ADA, ADA | refused), delete(BOB))
        assert [outcome.error is None for outcome in outcomes] == [False, True]
        assert contents().users == {"u1": ADA}

    def test_an_unreachable_target_is_an_error(
        self,
        start: Callable[..., Target],
        deliver: Callable[..., list[Outcome]],
        break_target: Callable[[], object],
    ) -> None:
        deliver(create(ADA))
        break_target()
        for act in (_identity, _check, _deliver_bob):
            with pytest.raises(TargetError) as raised:
                asyncio.run(_closing(start(), act))
            assert raised.value.message.strip()

    def test_an_unreachable_target_cannot_be_looked_at(
        self,
        find: Callable[..., list[tuple[Lookup, Held]]],
        read: Callable[..., list[Held]],
        deliver: Callable[..., list[Outcome]],
        break_target: Callable[[], object],
        links: Links,
    ) -> None:
        deliver(create(ADA))
        break_target()
        with pytest.raises(TargetError):
            find(wanted(ADA))
        with pytest.raises(TargetError):
            read(links.target_id(Kind.USER, "u1"))

    def test_check_describes_the_target_and_changes_nothing(
        self, start: Callable[..., Target], deliver: Callable[..., list[Outcome]], contents: Callable[[], Contents]
    ) -> None:
        deliver(create(ADA))
        lines = asyncio.run(_closing(start(), _check))
        assert lines
        assert all(isinstance(line, str) and line.strip() and "\n" not in line for line in lines)
        assert contents() == Contents(users={"u1": ADA})

    def test_secrets_are_not_seen(
        self,
        start: Callable[..., Target],
        deliver: Callable[..., list[Outcome]],
        options: Mapping[str, Any],
        break_target: Callable[[], object],
        log: Log,
        caplog: pytest.LogCaptureFixture,
        capfd: pytest.CaptureFixture[str],
    ) -> None:
        caplog.set_level("DEBUG")
        deliver(create(ADA))
        lines = asyncio.run(_closing(start(), _check))
        identity = asyncio.run(_closing(start(), _identity))
        break_target()
        with pytest.raises(TargetError) as raised:
            deliver(create(BOB))
        printed = capfd.readouterr()
        seen = {
            "log": f"{log.entries} {caplog.text}",
            "output": f"{printed.out} {printed.err}",
            "error": f"{raised.value} {raised.value!r}",
            "check": f"{lines}",
            "identity": identity,
            "options": f"{self.target.Options.model_validate(options)!r}",
        }
        assert [where for where, text in seen.items() if any(secret in text for secret in self.secrets)] == []

    def _must_look(self) -> None:
        if self.target.capabilities.find is None:
            pytest.skip("a target that cannot look takes over what is there")


class Links:
    """Which object belongs to which record, as the outcomes said."""

    def __init__(self) -> None:
        self._target_ids: dict[tuple[Kind, str], str] = {}

    def target_id(self, kind: Kind, id: str) -> str:
        """Also of a record that is deleted."""
        return self._target_ids[kind, id]

    def address(self, change: Change) -> Change:
        """The change, addressed by target ids."""
        if change.op is Op.CREATE:
            return change
        members = tuple(replace(each, target_id=self._target_ids[each.kind, each.id]) for each in change.members)
        return replace(change, target_id=self._target_ids[change.kind, change.id], members=members)

    def learn(self, change: Change, outcome: Outcome) -> None:
        if outcome.target_id is not None:
            self._target_ids[change.kind, change.id] = outcome.target_id


def done(outcomes: Sequence[Outcome]) -> bool:
    """Whether everything was delivered."""
    return all(outcome.error is None and not outcome.refused and not outcome.absent for outcome in outcomes)


def assert_held(held: Held, shape: Shape) -> None:
    """It has the shape's attributes, whatever else the target says of it."""
    assert held.attributes.items() >= shape.items()
    assert held.key == shape["id"]
    assert held.record in (None, (DIRECTORY, shape["id"]))


ADA: Shape = {
    "id": "u1",
    "userName": "ada",
    "email": "ada@acme.example",
    "givenName": "Ada",
    "familyName": "O'Łącka",
    "displayName": "Ada O'Łącka",
    "active": True,
    "title": "Engineer",
    "department": "Lab",
    "manager": "u2",
}
BOB: Shape = {"id": "u2", "userName": "bob", "email": "bob@acme.example", "displayName": "Боб 李", "active": True}
EVE: Shape = {"id": "u3", "userName": "eve", "email": "eve@acme.example", "displayName": "Eve", "active": True}
APP: Shape = {"id": "g1", "displayName": "app-users", "description": 'Who may use the app; "all" of them'}
OPS: Shape = {"id": "g2", "displayName": "ops", "email": "ops@acme.example"}


# ---- changes in the own layout


def create(shape: Shape, kind: Kind = Kind.USER) -> Change:
    return Change(Op.CREATE, kind, DIRECTORY, _id(shape), _id(shape), None, _whole(shape, OWN_LAYOUTS[kind]))


def update(before: Shape, after: Shape, *, kind: Kind = Kind.USER, op: Op = Op.UPDATE) -> Change:
    layout = OWN_LAYOUTS[kind]
    return Change(op, kind, DIRECTORY, _id(before), _id(before), _whole(before, layout), _whole(after, layout))


def delete(shape: Shape, kind: Kind = Kind.USER) -> Change:
    return Change(Op.DELETE, kind, DIRECTORY, _id(shape), _id(shape), _whole(shape, OWN_LAYOUTS[kind]), None)


def add(group: Shape, *members: Shape, kind: Kind = Kind.USER) -> Change:
    return _connect(Op.ADD, group, members, kind)


def remove(group: Shape, *members: Shape, kind: Kind = Kind.USER) -> Change:
    return _connect(Op.REMOVE, group, members, kind)


def wanted(shape: Shape) -> Lookup:
    return Lookup(DIRECTORY, _id(shape), _id(shape))


def _connect(op: Op, group: Shape, members: Sequence[Shape], kind: Kind) -> Change:
    named = tuple(Member(kind, _id(member), _id(member)) for member in members)
    return Change(op, Kind.GROUP, DIRECTORY, _id(group), _id(group), members=named)


def _id(shape: Shape) -> str:
    return str(shape["id"])


# ---- changes in the layouts of rules


def person(login: str) -> Shape:
    return {"login": login, "email": f"{login}@acme.example", "active": True}


def team(name: str) -> Shape:
    return {"name": name, "note": f"first called {name}"}


def make(id: str, shape: Shape, kind: Kind = Kind.USER) -> Change:
    layout = RULED_LAYOUTS[kind]
    return Change(Op.CREATE, kind, DIRECTORY, id, str(shape[layout.key]), None, _whole(shape, layout))


def alter(id: str, before: Shape, after: Shape, kind: Kind = Kind.USER, op: Op = Op.UPDATE) -> Change:
    layout = RULED_LAYOUTS[kind]
    key = str(before[layout.key])
    return Change(op, kind, DIRECTORY, id, key, _whole(before, layout), _whole(after, layout))


def rename(id: str, shape: Shape, key: Value, kind: Kind = Kind.USER) -> Change:
    return alter(id, shape, shape | {RULED_LAYOUTS[kind].key: key}, kind)


def join(id: str, key: str, *members: tuple[str, str], op: Op = Op.ADD) -> Change:
    """``members``: id and key of users."""
    return Change(op, Kind.GROUP, DIRECTORY, id, key, members=tuple(Member(Kind.USER, *member) for member in members))


def _whole(shape: Shape, layout: Layout) -> Shape:
    """With every attribute of the layout, as the core shapes it: an absent one is None."""
    return {name: shape.get(name) for name in layout.attributes}


# ---- runs


async def _closing(target: Target, act: Callable[[Target], Awaitable[T]]) -> T:
    try:
        return await act(target)
    finally:
        await target.close()


async def _identity(target: Target) -> str:
    return await target.identity()


async def _check(target: Target) -> Sequence[str]:
    return await target.check()


async def _deliver_bob(target: Target) -> Sequence[Outcome]:
    return [outcome async for outcome in target.deliver([create(BOB)])]


async def _deliver(target: Target, changes: Sequence[Change]) -> list[Outcome]:
    """As a run does: who is it, is it ready, and then the changes."""

    async def act(target: Target) -> list[Outcome]:
        await target.identity()
        await target.prepare()
        return [outcome async for outcome in target.deliver(changes)]

    return await _closing(target, act)


async def _find(target: Target, kind: Kind, lookups: Sequence[Lookup]) -> list[tuple[Lookup, Held]]:
    async def act(target: Target) -> list[tuple[Lookup, Held]]:
        return [found async for found in target.find(kind, lookups)]

    return await _closing(target, act)


async def _read(target: Target, kind: Kind, target_ids: Sequence[str]) -> list[Held]:
    async def act(target: Target) -> list[Held]:
        return [held async for held in target.read(kind, target_ids)]

    return await _closing(target, act)
