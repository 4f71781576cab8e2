"""Conversion of Google's groups and members to rows and edges, and the cursor. No I/O."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from usersyncd.plugin import Kind, Record
from usersyncd_google.cursor import BUCKETS, FORMAT, TRUSTED, Cursor, extent, usable_cursor
from usersyncd_google.groups import GroupReader, Row, edges
from usersyncd_google.options import GoogleOptions

TEAM = {
    "kind": "admin#directory#group",
    "id": "03abc",
    "etag": '"e1"',
    "email": "Team@acme.example",
    "name": "Team",
    "description": "",
    "directMembersCount": "2",
    "adminCreated": True,
}
NOW = datetime(2026, 11, 24, 12, tzinfo=UTC)


def row_of(group: dict[str, Any], reads: frozenset[str] | None = None) -> Row:
    row = GroupReader(reads).row(group)
    assert isinstance(row, Row)
    return row


def test_a_group_becomes_a_row() -> None:
    row = row_of(TEAM)
    assert row.record == Record(
        Kind.GROUP,
        "03abc",
        {"email": "Team@acme.example", "name": "Team", "adminCreated": True},
        ("email:team@acme.example",),
    )
    assert (row.address, row.count) == ("team@acme.example", 2)


@pytest.mark.parametrize(
    "change", [{"name": "Crew"}, {"directMembersCount": "3"}, {"etag": '"e2"'}, {"email": "c@x.y"}]
)
def test_the_digest_covers_the_whole_row(change: dict[str, str]) -> None:
    reads = frozenset({"name"})
    assert row_of({**TEAM, **change}, reads).digest != row_of(TEAM, reads).digest
    assert row_of(dict(reversed(TEAM.items())), reads).digest == row_of(TEAM, reads).digest


def test_members_are_edges_by_id_or_by_address() -> None:
    found = edges([
        {"id": "101", "email": "ada@acme.example", "type": "USER"},
        {"id": "03def", "email": "crew@acme.example", "type": "GROUP"},
        {"email": "Pat@Partner.example", "type": "EXTERNAL"},
        {"id": "102", "email": "sam@partner.example", "type": "USER"},
        {"id": "103", "type": "SOMETHING_NEW"},
        {"type": "USER"},
    ])  # fmt: skip
    assert found.named == {"101", "03def", "email:pat@partner.example", "102", "103"}
    assert found.outside == {"acme.example": 1, "partner.example": 2}
    assert (found.everybody, found.unnamed, found.entries) == (False, 1, 6)


def test_a_member_without_address_stands_for_all_users() -> None:
    found = edges([{"id": "C03az79cb", "type": "CUSTOMER", "role": "MEMBER"}])
    assert found.everybody
    assert not found.named


def test_a_group_without_members() -> None:
    assert edges([]).named == frozenset()


# -------------------------------------------------------------------------------------------------------------- cursor


def cursor(**changes: Any) -> Cursor:
    found = Cursor(FORMAT, "extent", "C1", NOW, [3] * BUCKETS, {"03abc": "digest"}, ["03def"], ["03ghi"], ["seen"])
    for name, value in changes.items():
        setattr(found, name, value)
    return found


def test_the_next_pull_with_the_same_options_uses_the_cursor() -> None:
    last = cursor()
    assert usable_cursor(last.text(), cursor(at=NOW + timedelta(minutes=10))) == last


@pytest.mark.parametrize(
    "changes",
    [
        {"extent": "another"},
        {"customer": "C2"},
        {"at": NOW + TRUSTED + timedelta(seconds=1)},
        {"at": NOW - timedelta(seconds=1)},
    ],
)
def test_a_cursor_of_another_pull_is_not_used(changes: dict[str, Any]) -> None:
    assert usable_cursor(cursor().text(), cursor(**changes)) is None


def test_a_cursor_of_another_format_is_not_used() -> None:
    assert usable_cursor(cursor(format=FORMAT + 1).text(), cursor()) is None


@pytest.mark.parametrize("text", ["", "null", "{}", "[1]", '{"format":1}', "not json", cursor().text()[:-5]])
def test_text_that_is_not_a_cursor_is_not_used(text: str) -> None:
    assert usable_cursor(text, cursor()) is None


def options(**changes: Any) -> GoogleOptions:
    return GoogleOptions.model_validate(
        {"service_account": {"file": "key.json"}, "subject": "admin@acme.example", **changes}
    )


@pytest.mark.parametrize(
    "changes",
    [
        {"subject": "other@acme.example"},
        {"customer": "C2"},
        {"domains": ["acme.example"]},
        {"org_units": ["/Staff"]},
        {"endpoint": "https://elsewhere.example"},
    ],
)
def test_other_options_make_another_extent(changes: dict[str, Any]) -> None:
    reads = {kind: None for kind in Kind}  # noqa: C420 - dict.fromkeys has another type
    assert extent(options(**changes), reads) != extent(options(), reads)


def test_other_attributes_make_another_extent() -> None:
    before = extent(options(), {Kind.USER: frozenset({"name", "title"}), Kind.GROUP: None})
    assert before == extent(options(), {Kind.USER: frozenset({"title", "name"}), Kind.GROUP: None})
    assert before != extent(options(), {Kind.USER: frozenset({"name"}), Kind.GROUP: None})


def test_the_extent_excludes_the_location_of_the_key_and_the_quota() -> None:
    reads = {kind: None for kind in Kind}  # noqa: C420 - dict.fromkeys has another type
    assert extent(options(), reads) == extent(options(service_account={"env": "KEY"}, per_minute=10), reads)
