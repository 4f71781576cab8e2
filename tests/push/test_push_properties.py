"""A state machine: two clients of one provider push anything, and the process dies between commit and answer.

A plain dictionary says what the store, and at the end the target, must hold.
"""

from __future__ import annotations

import asyncio
import shutil
import tempfile
from pathlib import Path
from typing import Any, cast

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, rule, run_state_machine_as_test
from msgspec import Struct, field

from tests.push.operations import delete, edit, patch, post, post_group, put, put_group
from tests.push.pushing import PushingWorld, member_ids
from tests.servers.postgres import Postgres
from tests.servers.shared import MEMORY
from usersyncd.plugin import Kind
from usersyncd.push import burst
from usersyncd.push.commit import Committed
from usersyncd.push.commit import commit as save
from usersyncd.scim.errors import ScimError
from usersyncd.scim.store import Operation, StoredResource

NAMES = ["ada", "Ada", "boris", "cleo", "dora", "emil"]
REQUESTS = [
    *("post", "post", "put", "patch", "rename", "delete", "post group", "put group", "add", "add", "remove", "whole"),
    "delete group",
]
TITLES = [None, "Engineer", "Director"]


class Expected(Struct):
    """A resource as it must be, and the ids that a group lists."""

    kind: Kind
    name: str
    title: str | None = None
    members: set[str] = field(default_factory=set)


class DiedError(BaseException):
    """The process ends here."""


class Pushes(RuleBasedStateMachine):
    """Ids are known to the oracle in the order of creation: operations name a resource by its number in that order."""

    def __init__(self, state: str | None = None) -> None:
        super().__init__()
        self.state = state
        self.folder = Path(tempfile.mkdtemp(dir=MEMORY if MEMORY.is_dir() else None))
        self.ids: list[str] = []
        self.kinds: dict[str, Kind] = {}
        self.held: dict[str, Expected] = {}

    @initialize()
    def begin(self) -> None:
        self.world = PushingWorld(self.folder, state=self.state)

    def teardown(self) -> None:
        try:
            self.everything_is_as_expected()
            self.world.database.close()
        finally:
            shutil.rmtree(self.folder)

    # ---- requests

    def id_of(self, number: int, kind: Kind) -> str:
        known = [id_ for id_ in self.ids if self.kinds[id_] is kind]
        return known[number % len(known)] if known else "unknown"

    def operation(self, drawn: tuple[Any, ...]) -> Operation:
        what, number, other, name, title = drawn
        user, group = self.id_of(number, Kind.USER), self.id_of(number, Kind.GROUP)
        member, second = self.id_of(other, Kind.USER), self.id_of(other + 1, Kind.GROUP)
        operations: dict[str, Operation] = {
            "post": post(name, **({"title": title} if title else {})),
            "put": put(user, name, **({"title": title} if title else {})),
            "patch": patch(user, title=title),
            "rename": patch(user, userName=name),
            "delete": delete(user),
            "post group": post_group(name, member),
            "put group": put_group(group, name, (member, second) if title else None),
            "add": edit(group, add=(member, second)),
            "remove": edit(group, remove=(member,)),
            "whole": edit(group, whole=(member,) if title else ()),
            "delete group": delete(group, Kind.GROUP),
        }
        return operations[what]

    drawn = st.tuples(
        st.sampled_from(REQUESTS), st.integers(0, 5), st.integers(0, 5), st.sampled_from(NAMES), st.sampled_from(TITLES)
    )

    @rule(first=st.lists(drawn, min_size=1, max_size=5), second=st.lists(drawn, max_size=5), together=st.booleans())
    def two_clients_push(self, first: list[Any], second: list[Any], together: bool) -> None:
        one, two = [self.operation(each) for each in first], [self.operation(each) for each in second]
        if together:
            # They are taken in the order in which they came, in one batch.
            operations = [each for pair in zip(one, two, strict=False) for each in pair]
            operations += one[len(two) :] + two[len(one) :]
            for operation, answer in zip(operations, self.world.push(*operations), strict=True):
                self.expect(operation, answer)
            return

        async def send(receiver: Any) -> None:
            for operation in (*one, *two):
                [answer] = cast("list[Any]", await asyncio.gather(receiver.change(operation), return_exceptions=True))
                self.expect(operation, getattr(answer, "status", answer))

        self.world.receive(send)

    @rule(drawn=st.lists(drawn, min_size=1, max_size=4), saved=st.booleans())
    def the_process_dies(self, drawn: list[Any], saved: bool) -> None:
        """Before the commit or after it, but before the answer. The provider repeats every request."""
        operations = [self.operation(each) for each in drawn]
        lost: list[Any] = []

        def dies(database: Any, before: Any, job: Any, batch: Any, now: Any) -> Committed:
            if saved:
                lost.extend(save(database, before, job, batch, now).outcomes)
            raise DiedError

        with pytest.MonkeyPatch.context() as patching:
            patching.setattr(burst, "commit", dies)
            with pytest.raises(DiedError):
                self.world.receive(lambda receiver: self.all_of(receiver, operations))
        for operation, outcome in zip(operations, lost, strict=False):
            self.expect(operation, getattr(outcome, "status", outcome))
        for operation in operations:
            [answer] = self.world.push(operation)
            if saved and isinstance(answer, StoredResource) and isinstance(operation, type(post("x"))):
                assert self.unique(operation.kind, str(operation.resource[NAME[operation.kind]])) is None
            self.expect(operation, answer)

    @staticmethod
    async def all_of(receiver: Any, operations: list[Operation]) -> None:
        tasks = [asyncio.ensure_future(receiver.change(operation)) for operation in operations]
        assert all(isinstance(each, ScimError) for each in await asyncio.gather(*tasks, return_exceptions=True))

    # ---- what they must do

    def unique(self, kind: Kind, name: str) -> str | None:
        same = (id_ for id_, one in self.held.items() if one.kind is kind and one.name.lower() == name.lower())
        return next(same, None)

    def expect(self, operation: Any, answer: StoredResource | int | None) -> None:
        """Check an answer, and do the same in the dictionary."""
        kind = operation.kind
        id_: Any = getattr(operation, "id", None)
        if id_ is not None and (id_ not in self.held or self.held[id_].kind is not kind):
            assert answer == 404
            return
        resource = self.content(operation)
        if resource is None:
            assert answer is None
            del self.held[id_]
            for one in self.held.values():
                one.members.discard(id_)
            return
        name = str(resource.get(NAME[kind]))
        if self.unique(kind, name) not in (None, id_):
            assert answer == 409
            return
        assert isinstance(answer, StoredResource), answer
        if id_ is None:
            id_ = answer.id
            assert id_ not in self.ids
            self.ids.append(id_)
            self.kinds[id_] = kind
            self.held[id_] = Expected(kind, name, members=set(operation.members))
        one = self.held[id_]
        one.name, one.title = name, resource.get("title")
        self.edit(one, operation)
        assert answer.resource.get(NAME[kind]) == name

    def content(self, operation: Any) -> dict[str, Any] | None:
        """The attributes after an operation; None: it deletes."""
        if hasattr(operation, "resource"):
            return dict(operation.resource)
        if not hasattr(operation, "patch"):
            return None
        one = self.held[operation.id]
        changed: dict[str, Any] = {NAME[one.kind]: one.name, "title": one.title}
        changed.update((step.target.name, step.value) for step in operation.patch.steps)
        return changed

    @staticmethod
    def edit(one: Expected, operation: Any) -> None:
        edits = getattr(getattr(operation, "patch", None), "member_edits", None)
        if edits is not None:
            one.members = set(edits.whole) if edits.whole is not None else one.members
            one.members = (one.members | set(edits.added)) - set(edits.removed)
        elif hasattr(operation, "if_match") and getattr(operation, "members", None) is not None:
            one.members = set(operation.members)

    @rule()
    def everything_is_as_expected(self) -> None:
        if not hasattr(self, "world"):
            return
        for kind in Kind:
            found = self.world.receive(lambda receiver, kind=kind: self.listing(receiver, kind))  # type: ignore[misc]
            assert {one.id: (one.resource.get(NAME[kind]), one.resource.get("title")) for one in found} == {
                id_: (one.name, one.title) for id_, one in self.held.items() if one.kind is kind
            }
            for group in found if kind is Kind.GROUP else ():
                assert set(member_ids(group)) == self.held[group.id].members
        for id_, one in self.held.items():
            assert self.world.found(NAME[one.kind], one.name.upper(), one.kind) == [id_]

    @staticmethod
    async def listing(receiver: Any, kind: Kind) -> list[StoredResource]:
        return [one async for batch in receiver.scan(kind, members=True) for one in batch]

    @rule()
    def the_target_holds_the_same(self) -> None:
        self.world.deliver(cause="push")
        users = {id_: one for id_, one in self.held.items() if one.kind is Kind.USER}
        active = {id_: held for id_, held in self.world.held().items() if held["active"]}
        assert {id_: (held["userName"], held.get("title")) for id_, held in active.items()} == {
            id_: (one.name, one.title) for id_, one in users.items()
        }
        groups = {id_: one for id_, one in self.held.items() if one.kind is Kind.GROUP}
        assert {id_: held["displayName"] for id_, held in self.world.held(Kind.GROUP).items()} == {
            id_: one.name for id_, one in groups.items()
        }
        assert self.world.members() == {id_: inside for id_ in groups if (inside := self.inside(id_, set()))}

    def inside(self, group: str, seen: set[str]) -> set[str]:
        """The users of a group, also through groups in it."""
        if group in seen:
            return set()
        seen.add(group)
        found: set[str] = set()
        for member in self.held[group].members & self.held.keys():
            found |= {member} if self.held[member].kind is Kind.USER else self.inside(member, seen)
        return found


NAME = {Kind.USER: "userName", Kind.GROUP: "displayName"}


def test_whatever_two_clients_push_is_kept_and_delivered() -> None:
    run_state_machine_as_test(Pushes, settings=profile(5))


@pytest.mark.slow
def test_whatever_two_clients_push_is_kept_and_delivered_often() -> None:
    run_state_machine_as_test(Pushes, settings=profile(300))


def test_whatever_two_clients_push_is_kept_on_postgresql(postgres: Postgres, migrated: str) -> None:
    machine: Any = lambda: Pushes(postgres.database(migrated))  # noqa: E731
    run_state_machine_as_test(machine, settings=profile(2))


def profile(examples: int) -> settings:
    return settings(
        max_examples=examples, stateful_step_count=12, deadline=None, suppress_health_check=list(HealthCheck)
    )
