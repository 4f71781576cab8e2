"""Tests of the optional methods that list a target's content, each if the target has its capability."""
# ruff: noqa: S101 - tests are made of asserts

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any, TypeVar, cast

import pytest
from msgspec.structs import replace

from usersyncd.plugin import Edge, Held, Inspectable, Kind, Target
from usersyncd.testing.target_contract.answers import asks
from usersyncd.testing.target_contract.fixtures import Deliver, Links, Look, Read, Start, TargetFixtures
from usersyncd.testing.target_contract.runs import closing
from usersyncd.testing.target_contract.shapes import ADA, APP, BOB, DIRECTORY, EVE, OPS, OTHER, add, create, delete

T = TypeVar("T")
LIST = asks("`list` yields every object once, as `read` yields it", "optional-methods")
MEMBERS = asks("`members` yields the memberships of these groups, by target ids", "optional-methods")
COUNT = asks("`count` returns the objects of one directory, or None", "optional-methods")
IDS = asks("`ids` yields the ids of the records of one directory", "optional-methods")
SAME = asks("a written value is read back equal, or `is_same` accepts it", "optional-methods")
PLACES = asks("`places` gives the same text for a kind in every run", "optional-methods")
Inspect = Callable[[str, Callable[[Inspectable], Awaitable[Any]]], Any]


class ListingPromises(TargetFixtures):
    """Every object is listed, also those that usersyncd did not create, and listing changes nothing."""

    @pytest.fixture
    def inspect(self, start: Start) -> Inspect:
        """A function that calls the target in a separate run; the test is skipped if the target lacks the
        capability."""

        def ask(capability: str, act: Callable[[Inspectable], Awaitable[T]]) -> T:
            if not getattr(self.target.capabilities, capability):
                pytest.skip(f"this target does not have the capability `{capability}`")

            async def in_a_run(target: Target) -> T:
                await target.identity()
                return await act(cast("Inspectable", target))

            return asyncio.run(closing(start(), in_a_run))

        return ask

    def test_an_empty_target_lists_nothing(self, inspect: Inspect) -> None:
        """Also before the target was ever prepared."""
        assert inspect("list", lambda target: listed(target, Kind.USER)) == [], LIST
        assert inspect("list", lambda target: listed(target, Kind.GROUP)) == [], LIST

    def test_each_kind_has_the_same_place_in_every_run(self, inspect: Inspect, deliver: Deliver) -> None:
        """Both before and after the first write."""
        before = inspect("places", lambda target: target.places())
        deliver(create(ADA))
        after = inspect("places", lambda target: target.places())
        assert before[Kind.USER], f"{before}; {PLACES}"
        assert after == before, f"{before} before the target was written, and {after} after; {PLACES}"

    def test_every_object_is_listed_as_it_is_read(
        self, inspect: Inspect, deliver: Deliver, read: Read, links: Links
    ) -> None:
        other = replace(create(EVE | {"id": "u1"}), directory=OTHER)
        outcomes = deliver(create(ADA), create(BOB), create(APP, Kind.GROUP), other)
        deliver(delete(BOB))
        found = inspect("list", lambda target: listed(target, Kind.USER))
        wanted = [outcomes[0].target_id, outcomes[3].target_id]
        assert by_id(found) == by_id(read(*wanted)), f"{found} were listed; {LIST}"
        assert len(found) == len(wanted), f"{found} were listed; {LIST}"
        [group] = inspect("list", lambda target: listed(target, Kind.GROUP))
        assert group.target_id == links.target_id(Kind.GROUP, "g1"), f"{group} was listed; {LIST}"

    def test_memberships_are_yielded_by_target_ids(self, inspect: Inspect, deliver: Deliver, links: Links) -> None:
        deliver(*(create(one) for one in (ADA, BOB, EVE)), create(APP, Kind.GROUP), create(OPS, Kind.GROUP))
        deliver(add(APP, ADA, BOB), add(OPS, EVE), add(APP, OPS, kind=Kind.GROUP))
        app, ops = (links.target_id(Kind.GROUP, id_) for id_ in ("g1", "g2"))
        ada, bob = (links.target_id(Kind.USER, id_) for id_ in ("u1", "u2"))
        found = inspect("members", lambda target: edges(target, app, "no such id"))
        wanted = {(app, Kind.USER, ada), (app, Kind.USER, bob), (app, Kind.GROUP, ops)}
        assert found == wanted, f"{found} were yielded, not {wanted}; {MEMBERS}"
        both = inspect("members", lambda target: edges(target, app, ops))
        assert (ops, Kind.USER, links.target_id(Kind.USER, "u3")) in both, f"{both} were yielded; {MEMBERS}"
        assert inspect("members", edges) == set(), MEMBERS

    def test_a_deleted_member_that_was_never_removed_does_no_harm(
        self, inspect: Inspect, deliver: Deliver, links: Links
    ) -> None:
        deliver(create(ADA), create(BOB), create(APP, Kind.GROUP))
        deliver(add(APP, ADA, BOB))
        deliver(delete(ADA))
        app, bob = links.target_id(Kind.GROUP, "g1"), links.target_id(Kind.USER, "u2")
        found = inspect("members", lambda target: edges(target, app))
        assert (app, Kind.USER, bob) in found, f"{found} were yielded; {MEMBERS}"

    def test_objects_are_counted_by_directory_where_the_target_stores_it(
        self, inspect: Inspect, deliver: Deliver
    ) -> None:
        """Before the target was ever prepared there are none."""
        places = [(Kind.USER, DIRECTORY), (Kind.USER, OTHER), (Kind.GROUP, OTHER)]

        async def counted(target: Inspectable) -> list[int | None]:
            return [await target.count(*place) for place in places]

        empty = inspect("count", counted)
        assert set(empty) <= {0, None}, f"{empty} were counted in an empty target; {COUNT}"
        deliver(create(ADA), create(BOB), replace(create(EVE), directory=OTHER), create(APP, Kind.GROUP))
        found = inspect("count", counted)
        assert found in ([2, 1, 0], [None] * 3), f"{found} were counted of {places}; {COUNT}"

    def test_the_ids_of_a_directory_are_yielded(self, inspect: Inspect, deliver: Deliver) -> None:
        async def yielded(target: Inspectable) -> list[str] | None:
            found = [id_ async for page in target.ids(Kind.USER, DIRECTORY) for id_ in page]
            return None if await target.count(Kind.USER, DIRECTORY) is None else sorted(found)

        assert not inspect("ids", yielded), f"an empty target has no ids; {IDS}"
        deliver(create(ADA), create(BOB), replace(create(EVE), directory=OTHER), create(APP, Kind.GROUP))
        found = inspect("ids", yielded)
        assert found in (["u1", "u2"], None), f"{found}; {IDS}"

    def test_written_values_are_read_back(self, inspect: Inspect, deliver: Deliver, start: Start, links: Links) -> None:
        """Equal, or in another form that ``is_same`` accepts. It must not accept another value."""
        if not self.target.capabilities.read:
            pytest.skip("this target cannot be read")
        made = [create(ADA), create(APP, Kind.GROUP)]
        deliver(*made)

        async def differing(target: Target) -> list[str]:
            found = []
            for change in made:
                target_id = links.target_id(change.kind, change.id)
                [held] = [held async for held in target.read(change.kind, [target_id])]
                found += [
                    name
                    for name, value in (change.after or {}).items()
                    if name in held.attributes
                    and value != held.attributes[name]
                    and not (
                        self.target.capabilities.forms
                        and cast("Inspectable", target).is_same(change.kind, name, value, held.attributes[name])
                    )
                ]
            return found

        found = asyncio.run(closing(start(), differing))
        assert not found, f"{found} were read back with other values; {SAME}"

        async def alike(target: Inspectable) -> bool:
            await listed_by_id(target, links.target_id(Kind.USER, "u1"))
            return target.is_same(Kind.USER, "title", "Engineer", "Director")

        assert inspect("forms", alike) is False, f"`is_same` takes Director for Engineer; {SAME}"

    def test_listing_changes_nothing(self, inspect: Inspect, deliver: Deliver, contents: Look, links: Links) -> None:
        deliver(create(ADA), create(APP, Kind.GROUP))
        deliver(add(APP, ADA))
        before = contents()
        inspect("list", lambda target: listed(target, Kind.USER))
        inspect("members", lambda target: edges(target, links.target_id(Kind.GROUP, "g1")))
        assert contents() == before, f"listing changed the target; {LIST}"


async def listed(target: Inspectable, kind: Kind) -> list[Held]:
    return [held async for held in target.list(kind)]


async def listed_by_id(target: Target, target_id: str) -> list[Held]:
    return [held async for held in target.read(Kind.USER, [target_id])]


async def edges(target: Inspectable, *groups: str) -> set[Edge]:
    batches: AsyncIterator[Any] = target.members(groups)
    return {edge async for batch in batches for edge in batch}


def by_id(found: list[Held]) -> dict[str, Held]:
    return {held.target_id: held for held in found}
