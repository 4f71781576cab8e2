"""Pulls after a cursor: only the members of changed groups are read, and no change is missed."""

from __future__ import annotations

import random
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from tests.connectors.google.directory import Directory
from tests.fakes.google import Tenant, company
from usersyncd.errors import SourceError
from usersyncd.plugin import Members, Present

Start = Callable[..., Directory]


class Clock:
    """The tenant's time."""

    def __init__(self) -> None:
        self.time = datetime.now(UTC)

    def __call__(self) -> datetime:
        return self.time

    def forward(self, **by: float) -> None:
        self.time += timedelta(**by)


async def read_again(directory: Directory) -> set[str]:
    """The groups whose members the next pull reads; its result must be complete."""
    pull = await directory.sync()
    directory.assert_equal()
    read = {item.group for item in pull.items if isinstance(item, Members) and item.whole}
    assert {item.id for item in pull.items if isinstance(item, Present)} == set(directory.tenant.groups) - read
    return read


def pair(tenant: Tenant) -> tuple[str, str, str]:
    """A group, one of its users, and a user who is not in it."""
    group = next(iter(tenant.groups))
    member = next(each for each in tenant.members[group] if each in tenant.users)
    stranger = next(each for each in tenant.users if each not in tenant.members[group])
    return group, member, stranger


async def test_a_quiet_interval_costs_a_handful_of_requests(start: Start) -> None:
    directory = start(company(people=40, groups=150, memberships=600))
    await directory.sync()
    with directory.google.counted() as calls:
        assert await read_again(directory) == set()
    assert calls == {"token": 1, "users.get": 1, "activities.list": 2, "groups.list": 1, "users.list": 1}


async def test_an_added_or_removed_member_changes_the_groups_row(start: Start) -> None:
    directory = start(company(reports_miss=True))
    await directory.sync()
    group, member, stranger = pair(directory.tenant)
    directory.tenant.part(group, member)
    assert await read_again(directory) == {group}
    directory.tenant.join(group, stranger)
    assert await read_again(directory) == {group}


@pytest.mark.parametrize("log", ["admin", "groups_enterprise"])
async def test_a_replaced_member_is_found_by_the_logs(directory: Directory, log: str) -> None:
    await directory.sync()
    group, member, stranger = pair(directory.tenant)
    directory.tenant.part(group, member, by=log)
    directory.tenant.join(group, stranger, by=log)
    assert await read_again(directory) == {group}


async def test_a_late_log_entry_is_used_when_it_appears(start: Start) -> None:
    clock = Clock()
    directory = start(company(now=clock, reports_lag=timedelta(minutes=40)))
    await directory.sync()
    group, member, stranger = pair(directory.tenant)
    clock.forward(minutes=1)
    directory.tenant.part(group, member)
    directory.tenant.join(group, stranger)
    clock.forward(minutes=15)
    await directory.sync()
    with pytest.raises(AssertionError):
        directory.assert_equal()
    clock.forward(minutes=30)
    assert await read_again(directory) == {group}


async def test_a_complete_pull_finds_what_the_logs_miss(start: Start) -> None:
    directory = start(company(reports_miss=True))
    await directory.sync()
    group, member, stranger = pair(directory.tenant)
    directory.tenant.part(group, member)
    directory.tenant.join(group, stranger)
    await directory.sync()
    with pytest.raises(AssertionError):
        directory.assert_equal()
    await directory.sync(complete=True)
    directory.assert_equal()


async def test_an_old_activity_is_used_once_and_a_new_one_until_it_has_settled(start: Start) -> None:
    clock = Clock()
    directory = start(company(now=clock))
    await directory.sync()
    clock.forward(minutes=1)
    group, _, stranger = pair(directory.tenant)
    directory.tenant.join(group, stranger)
    assert await read_again(directory) == {group}
    clock.forward(minutes=1)
    assert await read_again(directory) == {group}, "one of Google's servers may not have known of it yet"
    clock.forward(minutes=15)
    assert await read_again(directory) == {group}
    clock.forward(minutes=15)
    assert await read_again(directory) == set()


async def test_a_group_on_a_lagging_server_is_read_again(start: Start) -> None:
    clock = Clock()
    directory = start(company(now=clock))
    await directory.sync()
    clock.forward(minutes=1)
    group, member, stranger = pair(directory.tenant)
    directory.tenant.replica_lag = 1
    directory.tenant.part(group, member)
    directory.tenant.join(group, stranger)
    await directory.sync()
    clock.forward(minutes=1)
    await directory.sync()
    directory.assert_equal()


async def test_a_group_with_an_outdated_count_is_read_again_once(start: Start) -> None:
    directory = start(company(reports_miss=True))
    await directory.sync()
    group, _, _ = pair(directory.tenant)
    directory.tenant.miscounted[group] = 99
    assert await read_again(directory) == {group}
    assert await read_again(directory) == {group}
    assert await read_again(directory) == set()


async def test_a_group_of_all_users_changes_with_the_users(directory: Directory) -> None:
    group = directory.tenant.found("All Staff")
    directory.tenant.join(group, directory.tenant.customer)
    await directory.sync()
    directory.tenant.hire("New Joiner")
    directory.tenant.leave(list(directory.tenant.users)[5])
    await directory.sync()
    directory.assert_equal()


async def test_every_sort_of_change(start: Start) -> None:
    clock = Clock()
    directory = start(company(people=40, groups=8, memberships=60, now=clock))
    directory.google.knobs.page_size = 9
    await directory.sync()
    dice = random.Random(7)
    for _ in range(25):
        clock.forward(minutes=dice.choice([1, 20, 300]))
        for _ in range(dice.randrange(4)):
            change(directory.tenant, dice)
        await directory.sync()
        directory.assert_equal()


def change(tenant: Tenant, dice: random.Random) -> None:
    """A change in a company."""
    user, group = dice.choice(list(tenant.users)[1:]), dice.choice(list(tenant.groups))
    match dice.randrange(9):
        case 0:
            tenant.hire(f"Newcomer{dice.random()} X", orgUnitPath="/Staff")
        case 1:
            tenant.leave(user)
        case 2:
            tenant.change(user, suspended=not tenant.users[user]["suspended"])
        case 3:
            tenant.change(user, name={"givenName": "N", "familyName": "N", "fullName": f"N{dice.random()}"})
        case 4:
            tenant.join(tenant.found(f"Group {dice.random()}"), user)
        case 5 if len(tenant.groups) > 3:
            tenant.dissolve(group)
        case 6:
            tenant.rename_group(group, f"Renamed {dice.random()}")
        case 7 if tenant.members[group]:
            tenant.part(group, dice.choice(list(tenant.members[group])), by=dice.choice(["admin", "groups_enterprise"]))
        case _:
            tenant.join(group, dice.choice([user, "pat@partner.example", tenant.customer]))


# ----------------------------------------------------------------------------------- when the cursor cannot be used


@pytest.mark.parametrize(
    "options", [{"subject": "second.admin@acme.example"}, {"domains": ["acme.example"]}, {"org_units": ["/"]}]
)
async def test_other_options_read_everything(directory: Directory, options: dict[str, Any]) -> None:
    directory.tenant.hire("Second Admin", admin=True)
    await directory.sync()
    directory.options |= options
    assert await read_again(directory) == set(directory.tenant.groups)


async def test_another_customer_reads_everything(directory: Directory) -> None:
    await directory.sync()
    directory.tenant.customer = "C0another"
    for user in directory.tenant.users.values():
        user["customerId"] = "C0another"
    assert await read_again(directory) == set(directory.tenant.groups)


async def test_a_cursor_of_last_week_reads_everything(start: Start) -> None:
    clock = Clock()
    directory = start(company(now=clock))
    await directory.sync()
    clock.forward(days=8)
    assert await read_again(directory) == set(directory.tenant.groups)


async def test_googles_clock_counts_not_the_local_one(start: Start) -> None:
    clock = Clock()
    directory = start(company(now=clock))
    clock.forward(minutes=-4)
    await directory.sync()
    group, member, stranger = pair(directory.tenant)
    clock.forward(seconds=30)
    directory.tenant.part(group, member)
    directory.tenant.join(group, stranger)
    assert await read_again(directory) == {group}


async def test_too_many_log_entries_cause_a_complete_read(
    directory: Directory, monkeypatch: pytest.MonkeyPatch
) -> None:
    await directory.sync()
    monkeypatch.setattr("usersyncd_google.hints.MOST", 3)
    for number in range(4):
        directory.tenant.hire(f"Number{number} Of")
    assert await read_again(directory) == set(directory.tenant.groups)


async def test_temporarily_unreadable_logs_cause_a_complete_read_and_a_warning(directory: Directory) -> None:
    await directory.sync()
    group, member, _ = pair(directory.tenant)
    directory.tenant.part(group, member)
    directory.google.knobs.forbid_logs.times = 1
    assert await read_again(directory) == set(directory.tenant.groups)
    [warning] = [entry for entry in directory.log.entries if "audit logs cannot be read" in entry["event"]]
    assert "Not Authorized" in warning["error"]
    assert await read_again(directory) == {group}


async def test_without_the_logs_every_pull_is_complete_and_needs_no_scope_for_them(start: Start) -> None:
    directory = start(incremental=False)
    directory.google.accounts.granted = {each for each in directory.google.accounts.granted if "reports" not in each}
    for _ in range(2):
        assert await read_again(directory) == set(directory.tenant.groups)
        assert directory.done is not None
        assert directory.done.cursor is None
    assert directory.google.calls["activities.list"] == 0


async def test_forbidden_logs_are_an_error(directory: Directory) -> None:
    directory.google.accounts.granted = {each for each in directory.google.accounts.granted if "reports" not in each}
    with pytest.raises(SourceError, match=r"but not with .*admin\.reports\.audit\.readonly"):
        await directory.sync()
