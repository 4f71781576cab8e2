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
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar

import pytest
from msgspec import Struct, field
from pydantic import BaseModel, ValidationError

from usersyncd.errors import TargetError
from usersyncd.plugin import API, DELIVERED, Change, Kind, Layout, Member, Op, Outcome, Target, Value
from usersyncd.testing.contexts import OWN_LAYOUTS, Log, target_context
from usersyncd.testing.source_contract import imported_of_usersyncd

Shape = dict[str, Value]
Key = str | int

DIRECTORY = "directory"

RULED_LAYOUTS: Mapping[Kind, Layout] = {
    Kind.USER: Layout(("login", "email", "active"), key="login", ruled=True),
    Kind.GROUP: Layout(("name", "note"), key="name", ruled=True),
}
"""Shapes as an admin's rules may make them, identified by something that can change."""


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
    ) -> Callable[[], Target]:
        """A function that constructs the target anew, as every run does."""

        def construct() -> Target:
            context = target_context(folder, layouts=layouts, directories=(DIRECTORY,), log=log)
            return self.target(self.target.Options.model_validate(options), context)

        return construct

    @pytest.fixture
    def deliver(self, start: Callable[[], Target]) -> Callable[..., list[Outcome]]:
        """A function that delivers changes in a run of their own, and returns the outcomes."""
        return lambda *changes: asyncio.run(_deliver(start(), changes))

    # ------------------------------------------------------------------------------------------------- the class

    def test_states_the_version_of_the_contract(self, start: Callable[[], Target]) -> None:
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

    # --------------------------------------------------------------------------------------------------- records

    def test_one_outcome_for_each_change_in_their_order(
        self, deliver: Callable[..., list[Outcome]], contents: Callable[[], Contents]
    ) -> None:
        assert deliver() == []
        everything = [
            create(ADA),
            create(BOB),
            create(APP, Kind.GROUP),
            create(OPS, Kind.GROUP),
            add(APP, ADA, BOB),
            add(OPS, ADA),
        ]
        assert deliver(*everything) == [DELIVERED] * len(everything)
        assert contents() == Contents(
            users={"u1": ADA, "u2": BOB},
            groups={"g1": APP, "g2": OPS},
            memberships={("g1", "u1"), ("g1", "u2"), ("g2", "u1")},
        )

    def test_an_update_writes_what_changed_and_clears_what_is_gone(
        self, deliver: Callable[..., list[Outcome]], contents: Callable[[], Contents]
    ) -> None:
        deliver(create(ADA), create(BOB), create(APP, Kind.GROUP))
        moved = ADA | {"department": "Works", "familyName": "Łącka 李"}
        del moved["title"]
        renamed = APP | {"displayName": "app users"}
        assert deliver(update(ADA, moved), update(APP, renamed, kind=Kind.GROUP)) == [DELIVERED, DELIVERED]
        assert contents() == Contents(users={"u1": moved, "u2": BOB}, groups={"g1": renamed})

    def test_a_leaver_is_deactivated_and_kept_and_may_come_back(
        self, deliver: Callable[..., list[Outcome]], contents: Callable[[], Contents]
    ) -> None:
        deliver(create(ADA), create(BOB))
        gone = ADA | {"active": False}
        for _ in range(2):
            assert deliver(update(ADA, gone, op=Op.DEACTIVATE)) == [DELIVERED]
            assert contents().users == {"u1": gone, "u2": BOB}
        for _ in range(2):
            assert deliver(update(gone, ADA, op=Op.REACTIVATE)) == [DELIVERED]
            assert contents().users == {"u1": ADA, "u2": BOB}

    def test_a_deleted_record_takes_its_memberships_along(
        self, deliver: Callable[..., list[Outcome]], contents: Callable[[], Contents]
    ) -> None:
        deliver(
            create(ADA),
            create(BOB),
            create(APP, Kind.GROUP),
            create(OPS, Kind.GROUP),
            add(APP, ADA, BOB),
            add(OPS, ADA, BOB),
        )
        assert deliver(delete(OPS, Kind.GROUP), delete(ADA)) == [DELIVERED, DELIVERED]
        assert contents() == Contents({"u2": BOB}, {"g1": APP}, {("g1", "u2")})

    def test_creating_what_is_there_adopts_it(
        self, deliver: Callable[..., list[Outcome]], contents: Callable[[], Contents]
    ) -> None:
        """A run that was killed after it wrote, and before it knew, creates again."""
        deliver(create(ADA), create(APP, Kind.GROUP), add(APP, ADA))
        newer = ADA | {"email": "ada.l@acme.example"}
        assert deliver(create(newer), create(APP, Kind.GROUP)) == [DELIVERED, DELIVERED]
        assert contents() == Contents({"u1": newer}, {"g1": APP}, {("g1", "u1")})

    def test_deleting_what_is_not_there_succeeds(
        self, deliver: Callable[..., list[Outcome]], contents: Callable[[], Contents]
    ) -> None:
        deliver(create(BOB))
        assert deliver(delete(ADA), delete(APP, Kind.GROUP)) == [DELIVERED, DELIVERED]
        assert contents() == Contents(users={"u2": BOB})

    @pytest.mark.parametrize("layouts", [RULED_LAYOUTS], ids=["ruled"])
    def test_a_record_keeps_its_place_when_its_key_changes(
        self, deliver: Callable[..., list[Outcome]], contents: Callable[[], Contents]
    ) -> None:
        ada: Shape = {"login": "ada", "email": "ada@acme.example", "active": True}
        married = ada | {"login": "ada.k"}
        app: Shape = {"name": "app", "note": "who may use it"}
        deliver(create(ada, id="u1", key="login"), create(app, Kind.GROUP, id="g1", key="name"))
        assert deliver(update(ada, married, id="u1", key="login")) == [DELIVERED]
        assert contents() == Contents(users={"ada.k": married}, groups={"app": app})

    # ----------------------------------------------------------------------------------------------- memberships

    def test_memberships_come_and_go(
        self, deliver: Callable[..., list[Outcome]], contents: Callable[[], Contents]
    ) -> None:
        deliver(create(ADA), create(BOB), create(APP, Kind.GROUP))
        for _ in range(2):
            assert deliver(add(APP, ADA, BOB)) == [DELIVERED]
            assert contents().memberships == {("g1", "u1"), ("g1", "u2")}
        for _ in range(2):
            assert deliver(remove(APP, ADA)) == [DELIVERED]
            assert contents().memberships == {("g1", "u2")}

    def test_groups_may_be_members(
        self, deliver: Callable[..., list[Outcome]], contents: Callable[[], Contents]
    ) -> None:
        deliver(create(ADA), create(APP, Kind.GROUP), create(OPS, Kind.GROUP), add(APP, ADA))
        assert deliver(add(APP, OPS, kind=Kind.GROUP)) == [DELIVERED]
        assert contents().memberships == {("g1", "u1"), ("g1", "g2")}
        assert deliver(remove(APP, OPS, kind=Kind.GROUP)) == [DELIVERED]
        assert contents().memberships == {("g1", "u1")}

    # --------------------------------------------------------------------------------------------------- failing

    def test_a_refused_record_fails_alone_and_says_why(
        self, deliver: Callable[..., list[Outcome]], contents: Callable[[], Contents], refused: Shape
    ) -> None:
        deliver(create(BOB))
        newer = BOB | {"title": "Porter"}
        outcomes = deliver(
            create(ADA), create(EVE | refused), update(BOB, newer), create(APP, Kind.GROUP), add(APP, ADA, BOB)
        )
        assert [outcome.error is None for outcome in outcomes] == [True, False, True, True, True]
        assert str(outcomes[1].error).strip()
        held = contents()
        assert held.users == {"u1": ADA, "u2": newer}
        assert held.memberships == {("g1", "u1"), ("g1", "u2")}
        assert deliver(create(EVE)) == [DELIVERED]
        assert contents().users == {"u1": ADA, "u2": newer, "u3": EVE}

    def test_a_refused_update_leaves_the_record_as_it_was(
        self, deliver: Callable[..., list[Outcome]], contents: Callable[[], Contents], refused: Shape
    ) -> None:
        deliver(create(ADA), create(BOB))
        outcomes = deliver(update(ADA, ADA | refused), delete(BOB))
        assert [outcome.error is None for outcome in outcomes] == [False, True]
        assert contents().users == {"u1": ADA}

    def test_an_unreachable_target_is_an_error(
        self, start: Callable[[], Target], deliver: Callable[..., list[Outcome]], break_target: Callable[[], object]
    ) -> None:
        deliver(create(ADA))
        break_target()
        with pytest.raises(TargetError) as raised:
            deliver(create(BOB))
        assert raised.value.message.strip()
        with pytest.raises(TargetError):
            asyncio.run(_check(start()))

    def test_check_describes_the_target_and_changes_nothing(
        self, start: Callable[[], Target], deliver: Callable[..., list[Outcome]], contents: Callable[[], Contents]
    ) -> None:
        deliver(create(ADA))
        lines = asyncio.run(_check(start()))
        assert lines
        assert all(isinstance(line, str) and line.strip() and "\n" not in line for line in lines)
        assert contents() == Contents(users={"u1": ADA})

    def test_secrets_are_not_seen(
        self,
        start: Callable[[], Target],
        deliver: Callable[..., list[Outcome]],
        options: Mapping[str, Any],
        break_target: Callable[[], object],
        log: Log,
        caplog: pytest.LogCaptureFixture,
        capfd: pytest.CaptureFixture[str],
    ) -> None:
        caplog.set_level("DEBUG")
        deliver(create(ADA))
        lines = asyncio.run(_check(start()))
        break_target()
        with pytest.raises(TargetError) as raised:
            deliver(create(BOB))
        printed = capfd.readouterr()
        seen = {
            "log": f"{log.entries} {caplog.text}",
            "output": f"{printed.out} {printed.err}",
            "error": f"{raised.value} {raised.value!r}",
            "check": f"{lines}",
            "options": f"{self.target.Options.model_validate(options)!r}",
        }
        assert [where for where, text in seen.items() if any(secret in text for secret in self.secrets)] == []


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


def create(shape: Shape, kind: Kind = Kind.USER, *, id: str | None = None, key: str = "id") -> Change:
    return Change(
        Op.CREATE, kind, DIRECTORY, id or _text(shape, "id"), _text(shape, key), None, _whole(shape, kind, key)
    )


def update(
    before: Shape,
    after: Shape,
    *,
    kind: Kind = Kind.USER,
    op: Op = Op.UPDATE,
    id: str | None = None,
    key: str = "id",
) -> Change:
    whole = (_whole(before, kind, key), _whole(after, kind, key))
    return Change(op, kind, DIRECTORY, id or _text(before, "id"), _text(before, key), *whole)


def delete(shape: Shape, kind: Kind = Kind.USER) -> Change:
    return Change(Op.DELETE, kind, DIRECTORY, _text(shape, "id"), _text(shape, "id"), _whole(shape, kind, "id"), None)


def add(group: Shape, *members: Shape, kind: Kind = Kind.USER) -> Change:
    return _connect(Op.ADD, group, members, kind)


def remove(group: Shape, *members: Shape, kind: Kind = Kind.USER) -> Change:
    return _connect(Op.REMOVE, group, members, kind)


def _connect(op: Op, group: Shape, members: Sequence[Shape], kind: Kind) -> Change:
    named = tuple(Member(kind, _text(member, "id"), _text(member, "id")) for member in members)
    return Change(op, Kind.GROUP, DIRECTORY, _text(group, "id"), _text(group, "id"), members=named)


def _whole(shape: Shape, kind: Kind, key: str) -> Shape:
    """With every attribute of the layout, as the core shapes it: an absent one is None."""
    layout = (OWN_LAYOUTS if key == "id" else RULED_LAYOUTS)[kind]
    return {name: shape.get(name) for name in layout.attributes}


def _text(shape: Shape, name: str) -> str:
    return str(shape[name])


async def _deliver(target: Target, changes: Sequence[Change]) -> list[Outcome]:
    try:
        return [outcome async for outcome in target.deliver(changes)]
    finally:
        await target.close()


async def _check(target: Target) -> Sequence[str]:
    try:
        return await target.check()
    finally:
        await target.close()
