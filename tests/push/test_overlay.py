"""What the requests of one batch change, on top of what the snapshot has."""

from __future__ import annotations

from array import array
from collections.abc import Collection, Mapping, Sequence
from typing import Any

import pytest

from tests.push.operations import delete, edit, group, patch, post, post_group, put, put_group, user
from usersyncd.core.digest import encode, names, names_digest
from usersyncd.core.items import Item
from usersyncd.plugin import Gone, Kind, Members, Record
from usersyncd.push.handles import handles
from usersyncd.push.overlay import Overlay
from usersyncd.scim.errors import ScimError
from usersyncd.scim.store import Operation, StoredResource
from usersyncd.state.pushed import ListedNames, PushedRecord

BEFORE, NOW = "2026-01-01T00:00:00.000Z", "2026-02-02T00:00:00.000Z"


class Held:
    """A snapshot in memory. The ids are also the names: ``ada`` has the userName ada."""

    def __init__(self, users: Sequence[str] = (), groups: Mapping[str, Sequence[str]] | None = None, **attributes: Any):
        meta = {"created": BEFORE, "lastModified": BEFORE}
        self.groups = dict(groups or {})
        self.resources: dict[tuple[Kind, str], dict[str, Any]] = {
            **{(Kind.USER, name): {**user(name, **attributes), "meta": meta} for name in users},
            **{(Kind.GROUP, name): {**group(name), "meta": meta} for name in self.groups},
        }
        self.refs = {id_: number for number, (_, id_) in enumerate(self.resources, 1)}
        self.queries: list[str] = []

    def records(self, kind: Kind, ids: Collection[str]) -> Mapping[str, PushedRecord]:
        self.queries.append("records")
        return {
            id_: PushedRecord(self.refs[id_], id_, encode(self.resources[kind, id_]).decode(), 0)
            for id_ in ids
            if (kind, id_) in self.resources
        }

    def holders(self, kind: Kind, handles_: Collection[str]) -> Mapping[str, list[str]]:
        self.queries.append("holders")
        own = {id_: handles(kind, resource) for (found, id_), resource in self.resources.items() if found is kind}
        return {text: [id_ for id_, texts in own.items() if text in texts] for text in handles_}

    def listed(self, refs: Collection[int]) -> Mapping[int, ListedNames]:
        self.queries.append("listed")
        return {
            self.refs[name]: ListedNames(array("q", sorted(names(members))), names_digest(names(members)))
            for name, members in self.groups.items()
            if self.refs[name] in refs
        }

    def groups_of(self, ids: Collection[str]) -> Mapping[str, list[str]]:
        self.queries.append("groups_of")
        return {id_: [name for name, members in self.groups.items() if id_ in members] for id_ in ids}


class Applied:
    """A batch on top of a snapshot: the outcomes, and the items that came out."""

    def __init__(self, held: Held, *operations: Operation) -> None:
        numbers = iter(range(1, 1_000))
        overlay = Overlay(held, NOW, lambda: f"new{next(numbers)}")
        self.outcomes = overlay.apply_all(operations)
        self.items: list[Item | Members] = overlay.items()

    @property
    def said(self) -> list[int | str | None]:
        """The id, the status of an error, or None, for each request."""
        return [
            outcome.status if isinstance(outcome, ScimError) else outcome.id if outcome is not None else None
            for outcome in self.outcomes
        ]

    def stored(self, number: int) -> StoredResource:
        outcome = self.outcomes[number]
        assert isinstance(outcome, StoredResource), outcome
        return outcome


def held(**attributes: Any) -> Held:
    return Held(["ada", "boris"], {"staff": ["ada", "boris"], "club": ["ada"]}, **attributes)


def test_a_new_resource_gets_an_id_of_ours_and_both_times() -> None:
    applied = Applied(held(), post("cleo", externalId="c", title="Engineer"))
    assert applied.said == ["new1"]
    expected = user("cleo", externalId="c", title="Engineer", meta={"created": NOW, "lastModified": NOW})
    assert applied.stored(0).resource == expected
    assert applied.items == [Record(Kind.USER, "new1", expected, ("userName:cleo", "externalId:c"))]


@pytest.mark.parametrize(
    ("operations", "said"),
    [
        ([post("ADA")], [409]),
        ([post("cleo"), post("Cleo")], ["new1", 409]),
        ([put("boris", "Ada")], [409]),
        ([put("ada", "ADA")], ["ada"]),
        ([patch("boris", userName="ada")], [409]),
        ([patch("ada", userName="cleo"), post("ada")], ["ada", "new1"]),
        ([patch("ada", userName="cleo"), post("cleo")], ["ada", 409]),
        (
            [patch("ada", userName="x"), patch("boris", userName="ada"), patch("ada", userName="boris")],
            ["ada", "boris", "ada"],
        ),
        ([delete("ada"), post("ada")], [None, "new1"]),
        ([delete("ada"), post("ada"), post("ada")], [None, "new1", 409]),
        ([post_group("STAFF")], [409]),
        ([post_group("ada")], ["new1"]),
        ([post("Straße"), post("STRASSE")], ["new1", "new2"]),
        ([post("\u00e9"), post("E\u0301")], ["new1", 409]),
        ([put("nobody", "nobody")], [404]),
        ([put("staff", "x")], [404]),
        ([delete("ada"), delete("ada"), patch("ada", title="x")], [None, 404, 404]),
        ([post("cleo"), delete("new1"), put("new1", "cleo")], ["new1", None, 404]),
        ([put("ada", "ada", if_match="0")], [412]),
        ([delete("ada", if_match="0"), delete("ada")], [412, None]),
        ([edit("staff", add=("",))], [400]),
        ([edit("staff", add=("x" * 601,))], [400]),
        ([post_group("x", "a\0b")], [400]),
        ([post("cleo", title="\ud800"), post("cleo")], [400, "new2"]),
    ],
)  # fmt: skip
def test_each_request_gets_its_own_answer(operations: list[Operation], said: list[Any]) -> None:
    assert Applied(held(), *operations).said == said


def test_a_refused_request_changes_nothing() -> None:
    applied = Applied(
        held(),
        put("boris", "ada", title="x"), edit("staff", add=("a\0b",), remove=("ada",)), put("ada", "ada", if_match="0"),
        patch("ada", userName=None),
    )  # fmt: skip
    assert applied.said == [409, 400, 412, 400]
    assert applied.items == []


def test_a_repeated_request_changes_neither_content_nor_time_nor_version() -> None:
    before = Applied(held(), patch("ada", title="Engineer")).stored(0)
    stored = held()
    stored.resources[Kind.USER, "ada"] = before.resource
    again = Applied(stored, patch("ada", title="Engineer"), put("ada", "ada", title="Engineer"))
    assert again.items == []
    assert {again.stored(0).version, again.stored(1).version} == {before.version}


def test_a_put_keeps_the_time_of_creation_and_drops_what_it_does_not_name() -> None:
    applied = Applied(held(title="Engineer"), put("ada", "ada", nickName="A"))
    assert applied.stored(0).resource == user("ada", nickName="A", meta={"created": BEFORE, "lastModified": NOW})


@pytest.mark.parametrize(
    ("operations", "item"),
    [
        ([edit("club", add=("boris",))], Members("club", frozenset({"boris"}))),
        ([edit("club", add=("later",))], Members("club", frozenset({"later"}))),
        ([edit("club", remove=("ada",))], Members("club", frozenset(), frozenset({"ada"}))),
        ([edit("club", add=("ada",))], None),
        ([edit("club", remove=("boris",))], None),
        ([edit("club", add=("boris",)), edit("club", remove=("boris",))], None),
        ([edit("club", remove=("ada",)), edit("club", add=("ada",))], None),
        ([edit("club", whole=("ada",))], None),
        ([edit("club", whole=("boris",))], Members("club", frozenset({"boris"}), whole=True)),
        ([edit("club", whole=()), edit("club", add=("boris",))], Members("club", frozenset({"boris"}), whole=True)),
        ([edit("club", whole=("boris",)), edit("club", remove=("boris",), add=("ada",))], None),
        ([put_group("club", "club", None)], None),
        ([put_group("club", "club", ())], Members("club", frozenset(), whole=True)),
        ([put_group("club", "club", ("ada",))], None),
    ],
)
def test_edits_of_members_come_out_as_one_item(operations: list[Operation], item: Members | None) -> None:
    applied = Applied(held(), *operations)
    assert [found for found in applied.items if isinstance(found, Members)] == ([item] if item else [])
    if len(operations) == 1:
        touched = [found for found in applied.items if isinstance(found, Record)]
        assert bool(touched) == bool(item), "lastModified changes only with the members"


def test_the_version_of_a_group_changes_with_its_members() -> None:
    applied = Applied(
        held(),
        edit("club"),
        edit("club", add=("boris",)),
        edit("club", remove=("boris",)),
        edit("club", whole=("ada",)),
    )
    first, more, less, same = (applied.stored(number).version for number in range(4))
    assert first != more != less
    assert less == same


def test_a_matching_version_lets_a_request_through() -> None:
    version = Applied(held(), edit("club")).stored(0).version
    assert Applied(held(), edit("club", add=("boris",), if_match=version)).said == ["club"]


def test_a_deleted_user_leaves_the_groups_that_are_stored_and_those_that_changed() -> None:
    applied = Applied(held(), edit("club", add=("boris",)), delete("ada"), post_group("new", "ada"))
    assert set(filter(lambda item: not isinstance(item, Record), applied.items)) == {
        Gone(Kind.USER, "ada"),
        Members("staff", frozenset(), frozenset({"ada"})),
        Members("club", frozenset({"boris"}), frozenset({"ada"})),
        Members("new1", frozenset({"ada"})),
    }


def test_what_is_created_and_deleted_in_one_batch_leaves_no_trace() -> None:
    assert Applied(held(), post("cleo"), post_group("x", "ada"), delete("new1"), delete("new2", Kind.GROUP)).items == []


def test_a_batch_of_new_users_asks_the_snapshot_once() -> None:
    stored = held()
    Applied(stored, *(post(f"user{number}") for number in range(100)))
    assert stored.queries == ["holders"]


def test_values_that_are_not_text_have_no_handle() -> None:
    resource = {"userName": 7, "externalId": None, "emails": ["x", {"value": 3}, {"value": "A@x"}, {}]}
    assert handles(Kind.USER, resource) == ("emails.value:a@x",)


@pytest.mark.parametrize(
    "change", [put("ada", "ada"), put("ada", "ada", active=None), patch("ada", active=None), put("ada", "eve")]
)
def test_only_an_explicit_true_gives_access_back(change: Operation) -> None:
    assert Applied(Held(["ada"], active=False), change).stored(0).resource["active"] is False


def test_an_explicit_true_gives_access_back() -> None:
    assert Applied(Held(["ada"], active=False), put("ada", "ada", active=True)).stored(0).resource["active"] is True
