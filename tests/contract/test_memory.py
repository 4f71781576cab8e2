"""The connectors in memory, which other tests rely on, keep the promises themselves."""
# ruff: noqa: A001 - `id` is the word of the contract

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from pathlib import Path
from random import Random
from typing import Any

import pytest

from usersyncd.errors import SourceError, TargetError
from usersyncd.plugin import DELIVERED, Change, Kind, Member, Op, Outcome
from usersyncd.testing import (
    Contents,
    MemoryDirectory,
    MemorySource,
    MemorySourceOptions,
    MemoryStore,
    MemoryTarget,
    MemoryTargetOptions,
    SourceContract,
    TargetContract,
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

    # It is a part of usersyncd itself.
    test_imports_nothing_else_of_usersyncd = None  # type: ignore[assignment]


class TestIncrementalMemorySource(TestMemorySource):
    @pytest.fixture
    def directory(self) -> MemoryDirectory:
        return acme(incremental=True)


def pull(directory: MemoryDirectory, cursor: str | None = None) -> Any:
    source = MemorySource(MemorySourceOptions(directory=directory), source_context(Path()))
    return asyncio.run(read(source, cursor))


@pytest.mark.parametrize("pages", [0, 2, 100])
def test_a_directory_in_memory_breaks_off_after_as_many_pages_as_asked(pages: int) -> None:
    directory = acme()
    directory.faults.fail_after = pages
    with pytest.raises(SourceError, match="broke off"):
        pull(directory)


def test_a_directory_in_memory_may_forget_its_done() -> None:
    directory = acme()
    whole = pull(directory)
    directory.faults.no_done = True
    void = pull(directory)
    assert void.pages == whole.pages
    assert not void.ends


def test_repeated_and_shuffled_pages_say_the_same() -> None:
    directory = acme()
    whole = pull(directory)
    directory.faults.repeat, directory.faults.shuffle = True, Random(7)
    other = pull(directory)
    assert other.pages != whole.pages
    assert fold(other.items) == fold(whole.items)


@pytest.mark.parametrize("seed", [None, 1, 2, 3])
def test_a_cursor_tells_only_what_changed(seed: int | None) -> None:
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
    def contents(self, store: MemoryStore) -> Callable[[], Contents]:
        def present(records: Mapping[Any, Mapping[str, Any]]) -> dict[Any, dict[str, Any]]:
            return {
                key: {name: value for name, value in shape.items() if value is not None}
                for (_, key), shape in records.items()
            }

        return lambda: Contents(
            present(store.users),
            present(store.groups),
            {(group, member) for _, group, _, member in store.memberships},
        )

    @pytest.fixture
    def refused(self, store: MemoryStore) -> dict[str, Any]:
        store.faults.refuse = {"must not be"}
        return {"title": "must not be"}

    @pytest.fixture
    def break_target(self, store: MemoryStore) -> Callable[[], object]:
        return lambda: setattr(store.faults, "down", True)

    # It is a part of usersyncd itself.
    test_imports_nothing_else_of_usersyncd = None  # type: ignore[assignment]


def deliver(store: MemoryStore, *changes: Change) -> list[Outcome]:
    async def collect() -> list[Outcome]:
        target = MemoryTarget(MemoryTargetOptions(store=store), target_context(Path()))
        outcomes: list[Outcome] = []
        try:
            async for outcome in target.deliver(changes):
                outcomes.append(outcome)
        except TargetError:
            return [*outcomes, DIED]
        return outcomes

    return asyncio.run(collect())


DIED = Outcome(error="died")


def create(*ids: str) -> list[Change]:
    return [Change(Op.CREATE, Kind.USER, "directory", id, id, None, {"id": id}) for id in ids]


def test_a_store_in_memory_dies_after_as_many_outcomes_as_asked() -> None:
    store = MemoryStore()
    store.faults.die_after = 3
    assert deliver(store, *create("1", "2")) == [DELIVERED, DELIVERED]
    assert deliver(store, *create("3", "4", "5")) == [DELIVERED, DIED]
    assert [id for _, id in store.users] == ["1", "2", "3"]


def test_a_store_in_memory_may_write_what_it_never_acknowledges() -> None:
    store = MemoryStore()
    store.faults.die_after, store.faults.die_unseen = 0, True
    assert deliver(store, *create("1", "2")) == [DIED]
    assert [id for _, id in store.users] == ["1"]


def test_a_store_in_memory_refuses_records_and_members() -> None:
    store = MemoryStore()
    store.faults.refuse = {"2"}
    ada, bob = Member(Kind.USER, "1", "1"), Member(Kind.USER, "2", "2")
    outcomes = deliver(store, *create("1", "2"), Change(Op.ADD, Kind.GROUP, "directory", "g", "g", members=(ada, bob)))
    assert [outcome.error is None for outcome in outcomes] == [True, False, True]
    assert list(outcomes[2].refused) == ["2"]
    assert store.memberships == {("directory", "g", Kind.USER, "1")}
