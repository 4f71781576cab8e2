"""Accounts and groups with values of an undocumented form: only they fail, and they stay unchanged."""

from __future__ import annotations

from typing import Any

import pytest

from tests.connectors.google.directory import Directory
from tests.connectors.google.test_google_hostile import GROUPS, USERS, answers
from usersyncd.plugin import Kind, Unread


def sends(directory: Directory, identifier: str, **values: Any) -> None:
    """Every listing of this user has these values."""

    def changed(page: dict[str, Any]) -> dict[str, Any]:
        users = [{**user, **values} if user["id"] == identifier else user for user in page.get("users", [])]
        return {**page, "users": users}

    answers(directory, USERS, changed)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("suspended", "false"), ("suspended", None), ("archived", "false"), ("archived", 0), ("creationTime", 17),
        ("primaryEmail", 7), ("primaryEmail", None), ("primaryEmail", " "), ("primaryEmail", ["a@acme.example"]),
    ],
)  # fmt: skip
async def test_an_account_with_a_malformed_value_stays_unchanged(directory: Directory, name: str, value: Any) -> None:
    await directory.sync()
    assert directory.held is not None
    odd, leaver = list(directory.tenant.users)[5:7]
    before = directory.held.records[Kind.USER, odd]
    directory.tenant.leave(leaver)
    sends(directory, odd, **{name: value})
    pull = await directory.sync()
    (unread,) = [item for item in pull.items if isinstance(item, Unread)]
    assert (unread.id, unread.why.startswith(f"{name} of the account")) == (odd, True)
    assert directory.held.records[Kind.USER, odd] == before
    assert (Kind.USER, leaver) not in directory.held.records


async def test_an_empty_creation_time_is_absent(directory: Directory) -> None:
    await directory.sync()
    assert directory.held is not None
    odd, leaver = list(directory.tenant.users)[5:7]
    directory.tenant.leave(leaver)
    sends(directory, odd, creationTime=None)
    await directory.sync()
    assert "creationTime" not in directory.held.records[Kind.USER, odd]
    directory.assert_equal()


@pytest.mark.parametrize("value", [None, 7])
async def test_a_malformed_org_unit_removes_nobody_from_scope(start: Any, value: object) -> None:
    directory = start(org_units=["/Staff"])
    await directory.sync()
    odd = next(key for kind, key in directory.held.records if kind is Kind.USER)
    before = dict(directory.held.records)
    sends(directory, odd, orgUnitPath=value)
    pull = await directory.sync()
    assert [item.id for item in pull.items if isinstance(item, Unread)] == [odd]
    assert directory.held.records == before


@pytest.mark.parametrize("value", [None, 7])
async def test_check_counts_an_account_without_an_address(directory: Directory, value: object) -> None:
    answers(directory, USERS, lambda page: {**page, "users": [{"primaryEmail": value}, *page["users"][1:]]})
    lines = await directory.source().check()
    users = next(line for line in lines if line.startswith("users: "))
    assert users.startswith(f"users: {len(directory.tenant.users)} ")
    assert "no address 1" in users


@pytest.mark.parametrize("value", [None, 7, ["x"]])
async def test_a_group_with_a_malformed_address_stays_unchanged(directory: Directory, value: object) -> None:
    await directory.sync()
    assert directory.held is not None
    odd, leaver = next(iter(directory.tenant.groups)), list(directory.tenant.users)[6]
    before = directory.held
    directory.tenant.leave(leaver)

    def changed(page: dict[str, Any]) -> dict[str, Any]:
        return {
            **page,
            "groups": [group | ({"email": value} if group["id"] == odd else {}) for group in page["groups"]],
        }

    answers(directory, GROUPS, changed)
    pull = await directory.sync()
    assert [item.id for item in pull.items if isinstance(item, Unread)] == [odd]
    assert directory.held.records[Kind.GROUP, odd] == before.records[Kind.GROUP, odd]
    assert (Kind.USER, leaver) not in directory.held.records
    assert {edge for edge in directory.held.edges if edge[0] == odd} == {e for e in before.edges if e[0] == odd}


@pytest.mark.parametrize("member", [{"id": {"a": 1}}, {"id": "7", "email": 7}, {"id": "7", "email": ["x"]}])
async def test_a_group_with_a_malformed_member_stays_unchanged(directory: Directory, member: dict[str, Any]) -> None:
    await directory.sync()
    assert directory.held is not None
    before, odd = directory.held, list(directory.tenant.groups)[1]
    directory.tenant.rename_group(odd, "Renamed")
    answers(directory, f"/{odd}/members", lambda page: {**page, "members": [member, *page["members"][1:]]})
    pull = await directory.sync()
    assert [item.id for item in pull.items if isinstance(item, Unread)] == [odd]
    assert directory.held.edges == before.edges
    directory.google.spoil = lambda path, reply: reply
    await directory.sync()
    directory.assert_equal()
