"""The connectors in memory, which other tests rely on, fulfil the contract."""
# ruff: noqa: A001 - `id` is the word of the contract

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from pathlib import Path
from random import Random
from typing import Any

import pytest

from usersyncd.errors import SourceError, TargetError
from usersyncd.plugin import DELIVERED, Change, Kind, Layout, Member, Op, Outcome
from usersyncd.testing import (
    OWN_LAYOUTS,
    Contents,
    MemoryDirectory,
    MemoryObject,
    MemorySource,
    MemorySourceOptions,
    MemoryStore,
    MemoryTarget,
    MemoryTargetBlind,
    MemoryTargetOptions,
    SourceContract,
    TargetContract,
    TargetFaults,
    fold,
    read,
    source_context,
    target_context,
)


def acme(**settings: Any) -> MemoryDirectory:
    return MemoryDirectory(
        users={"1": {"userName": "ada"}, "2": {"userName": "bob", "manager": "1"}, "3": {}},
        groups={"a": {"displayName": "all"}, "b": {}, "c": {}},
        members={"a": {"login:ada", "b"}, "b": {"2", "3"}},
        handles={(Kind.USER, "1"): ("login:ada",)},
        page_size=2,
        **settings,
    )


class TestMemorySource(SourceContract):
    source = MemorySource

    @pytest.fixture
    def directory(self) -> MemoryDirectory:
        return acme()

    @pytest.fixture
    def options(self, directory: MemoryDirectory) -> Mapping[str, Any]:
        return {"directory": directory}

    @pytest.fixture
    def break_directory(self, directory: MemoryDirectory) -> Callable[[], object]:
        return lambda: setattr(directory.faults, "down", True)

    @pytest.fixture
    def counts(self) -> tuple[int, int, int]:
        return 3, 3, 4

    # It is a part of usersyncd itself.
    test_imports_only_the_plugin_contract = None  # type: ignore[assignment]


class TestIncrementalMemorySource(TestMemorySource):
    @pytest.fixture
    def directory(self) -> MemoryDirectory:
        return acme(incremental=True)

    @pytest.fixture
    def change_directory(self, directory: MemoryDirectory) -> Callable[[], object]:
        def change() -> None:
            directory.remove(Kind.USER, "3")
            directory.members["a"].remove("login:ada")
            directory.users["4"] = {}

        return change


def pull(directory: MemoryDirectory, cursor: str | None = None) -> Any:
    source = MemorySource(MemorySourceOptions(directory=directory), source_context(Path()))
    return asyncio.run(read(source, cursor))


@pytest.mark.parametrize("pages", [0, 2, 100])
def test_a_directory_in_memory_fails_after_a_number_of_pages(pages: int) -> None:
    directory = acme()
    directory.faults.fail_after = pages
    with pytest.raises(SourceError, match=r"failed (after|before)"):
        pull(directory)


def test_a_directory_in_memory_can_leave_out_done() -> None:
    directory = acme()
    whole = pull(directory)
    directory.faults.no_done = True
    incomplete = pull(directory)
    assert incomplete.pages == whole.pages
    assert not incomplete.ends


def test_repeated_and_shuffled_pages_have_the_same_content() -> None:
    directory = acme()
    whole = pull(directory)
    directory.faults.repeat, directory.faults.shuffle = True, Random(7)
    other = pull(directory)
    assert other.pages != whole.pages
    assert fold(other.items) == fold(whole.items)


@pytest.mark.parametrize("seed", [None, 1, 2, 3])
def test_a_pull_after_a_cursor_yields_only_changes(seed: int | None) -> None:
    directory = acme(incremental=True)
    first = pull(directory)
    directory.users["3"] = {"userName": "eve"}
    directory.users["4"] = {}
    directory.members["b"].add("4")
    directory.remove(Kind.USER, "2")
    directory.remove(Kind.GROUP, "c")
    del directory.members["a"]
    if seed:
        directory.faults.shuffle = Random(seed)
    then = pull(directory, first.ends[0].cursor)
    assert not then.ends[0].complete
    assert len(list(then.items)) == 6
    directory.faults.shuffle = None
    assert fold(then.items, onto=fold(first.items)) == fold(pull(directory).items)


class TestMemoryTarget(TargetContract):
    target = MemoryTarget

    @pytest.fixture
    def store(self) -> MemoryStore:
        return MemoryStore()

    @pytest.fixture
    def options(self, store: MemoryStore) -> Mapping[str, Any]:
        return {"store": store}

    @pytest.fixture
    def other_options(self) -> Mapping[str, Any]:
        return {"store": MemoryStore(identity="another store in memory")}

    @pytest.fixture
    def contents(self, store: MemoryStore) -> Callable[[], Contents]:
        def present(objects: Mapping[str, MemoryObject]) -> dict[Any, dict[str, Any]]:
            return {
                held.key: {name: value for name, value in held.attributes.items() if value is not None}
                for held in objects.values()
            }

        return lambda: Contents(
            present(store.users),
            present(store.groups),
            {(store.groups[group].key, store.objects(kind)[member].key) for group, kind, member in store.memberships},
        )

    @pytest.fixture
    def refused(self, store: MemoryStore) -> dict[str, Any]:
        store.faults.refuse = {"must not be"}
        return {"title": "must not be"}

    @pytest.fixture
    def break_target(self, store: MemoryStore) -> Callable[[], object]:
        return lambda: setattr(store.faults, "down", True)

    # It is a part of usersyncd itself.
    test_imports_only_the_plugin_contract = None  # type: ignore[assignment]


class TestBlindMemoryTarget(TestMemoryTarget):
    target = MemoryTargetBlind


def test_a_target_that_cannot_find_objects_takes_over_existing_ones() -> None:
    store = MemoryStore()
    [first] = deliver(store, *create("1"), target=MemoryTargetBlind)
    [second] = deliver(store, *create("1"), target=MemoryTargetBlind)
    assert first.target_id == second.target_id == "m1"
    assert list(store.users) == ["m1"]


def deliver(
    store: MemoryStore,
    *changes: Change,
    layouts: Mapping[Kind, Layout] = OWN_LAYOUTS,
    target: type[MemoryTarget] = MemoryTarget,
) -> list[Outcome]:
    async def collect() -> list[Outcome]:
        made = target(MemoryTargetOptions(store=store), target_context(Path(), layouts=layouts))
        outcomes: list[Outcome] = []
        try:
            async for outcome in made.deliver(changes):
                outcomes.append(outcome)
        except TargetError:
            return [*outcomes, DIED]
        return outcomes

    return asyncio.run(collect())


DIED = Outcome(error="died")
BY_LOGIN = {Kind.USER: Layout(("login",), key="login", ruled=True), Kind.GROUP: OWN_LAYOUTS[Kind.GROUP]}


def create(*ids: str) -> list[Change]:
    return [Change(Op.CREATE, Kind.USER, "directory", id, id, None, {"id": id}) for id in ids]


def made(*numbers: int) -> list[Outcome]:
    return [Outcome(target_id=f"m{number}") for number in numbers]


def move(target_id: str, key: str, new: str) -> Change:
    return Change(
        Op.UPDATE, Kind.USER, "directory", target_id, key, {"login": key}, {"login": new}, target_id=target_id
    )


def logins(*keys: str) -> MemoryStore:
    store = MemoryStore()
    for key in keys:
        store.insert(Kind.USER, MemoryObject("directory", key, {"login": key}))
    return store


def test_a_store_in_memory_fails_after_a_number_of_outcomes() -> None:
    store = MemoryStore()
    store.faults.die_after = 3
    assert deliver(store, *create("1", "2")) == made(1, 2)
    assert deliver(store, *create("3", "4", "5")) == [*made(3), DIED]
    assert [held.key for held in store.users.values()] == ["1", "2", "3"]


def test_a_store_in_memory_can_write_without_acknowledging() -> None:
    store = MemoryStore()
    store.faults.die_after, store.faults.die_unseen = 0, True
    assert deliver(store, *create("1", "2")) == [DIED]
    assert [held.key for held in store.users.values()] == ["1"]


@pytest.mark.parametrize(("faults", "held"), [({"die_before_commit": True}, []), ({"die_after_commit": True}, [1, 2])])
def test_a_store_in_memory_can_lose_a_batch(faults: dict[str, Any], held: list[int]) -> None:
    store = MemoryStore(faults=TargetFaults(**faults))
    assert deliver(store, *create("1", "2")) == [DIED]
    assert list(store.users) == [f"m{number}" for number in held]


def test_a_store_in_memory_refuses_records_and_members() -> None:
    store = MemoryStore()
    assert deliver(store, *create("1", "2")) == made(1, 2)
    group = store.insert(Kind.GROUP, MemoryObject("directory", "g", {"id": "g"}))
    store.faults.refuse, store.faults.drop = {"2", "3"}, {"4"}
    ada, bob = Member(Kind.USER, "1", "1", "m1"), Member(Kind.USER, "2", "2", "m2")
    joined = Change(Op.ADD, Kind.GROUP, "directory", "g", "g", members=(ada, bob), target_id=group)
    outcomes = deliver(store, *create("3", "4", "5"), joined)
    assert [outcome.error is None for outcome in outcomes] == [False, False, True, True]
    assert list(outcomes[3].refused) == ["2"]
    assert store.memberships == {(group, Kind.USER, "m1")}


def test_a_change_that_waits_for_a_refused_change_is_refused_too() -> None:
    store = logins("a", "b", "c")
    store.faults.refuse = {"m3"}
    moves = move("m1", "a", "b"), move("m2", "b", "c"), move("m3", "c", "d")
    assert [outcome.error is None for outcome in deliver(store, *moves, layouts=BY_LOGIN)] == [False] * 3
    assert [held.key for held in store.users.values()] == ["a", "b", "c"]


def test_a_store_that_fails_never_leaves_half_of_an_exchange() -> None:
    store = logins("a", "b")
    store.faults.die_after = 1
    outcomes = deliver(store, move("m1", "a", "b"), move("m2", "b", "a"), layouts=BY_LOGIN)
    assert outcomes == [DELIVERED, DIED]
    assert [held.key for held in store.users.values()] == ["b", "a"]


def test_attributes_that_no_rule_sets_stay_with_their_object() -> None:
    store = logins("a")
    store.users["m1"].foreign["password"] = "secret"
    deliver(store, move("m1", "a", "b"), layouts=BY_LOGIN)
    assert store.users["m1"] == MemoryObject("directory", "b", {"login": "b"}, {"password": "secret"})
