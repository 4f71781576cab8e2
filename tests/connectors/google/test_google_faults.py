"""Faults of network and servers: a pull either reads the whole customer, or it fails without a result."""

from __future__ import annotations

import random
from collections.abc import Callable
from contextlib import suppress
from datetime import timedelta

import pytest

from tests.connectors.google.directory import Directory, truth
from tests.connectors.google.test_google_incremental import Clock, change
from tests.fakes.google import company
from usersyncd.errors import SourceError
from usersyncd.plugin import Kind, Unread

Start = Callable[..., Directory]


@pytest.fixture
def paged(directory: Directory) -> Directory:
    """A company whose listings have several pages each."""
    directory.google.knobs.page_size = 6
    return directory


@pytest.mark.parametrize("spare", [0, 1, 8, 17])
@pytest.mark.parametrize(
    ("fault", "times"), [("throttle", 3), ("cut", 3), ("html", 3), ("html_200", 3), ("revoke_token", 1)]
)
async def test_temporary_faults_are_retried(paged: Directory, fault: str, times: int, spare: int) -> None:
    knob = paged.google.knobs.faults[fault]
    knob.times, knob.spare = times, spare
    await paged.sync()
    assert knob.hits == times
    paged.assert_equal()


@pytest.mark.parametrize("spare", range(0, 14, 2))
@pytest.mark.parametrize("cursor", [False, True], ids=["complete", "incremental"])
async def test_a_lost_page_does_no_harm(paged: Directory, spare: int, cursor: bool) -> None:
    """Users, groups and members alike, first, middle and last pages."""
    if cursor:
        await paged.sync()
        group = next(iter(paged.tenant.groups))
        for user in list(paged.tenant.users)[:20]:
            paged.tenant.join(group, user)
    knob = paged.google.knobs.lose_page
    knob.times, knob.spare = 1, spare
    with suppress(SourceError):
        await paged.sync()
        paged.assert_equal()
    assert knob.hits == 1 or cursor
    knob.times = 0
    await paged.sync()
    paged.assert_equal()


async def test_an_unreadable_group_keeps_its_members_and_is_named(directory: Directory) -> None:
    tenant = directory.tenant
    await directory.sync()
    before = directory.held
    assert before is not None
    group = list(tenant.groups)[1]
    directory.google.forbidden = {group}
    tenant.rename_group(group, "Renamed")
    admins = {id_ for id_, user in tenant.users.items() if user["primaryEmail"] in tenant.admins}
    spared = admins.union(tenant.members[group])
    leaver = next(user for user in tenant.users if user not in spared)
    tenant.leave(leaver)
    pull = await directory.sync()
    [unread] = [item for item in pull.items if isinstance(item, Unread)]
    assert (unread.kind, unread.id) == (Kind.GROUP, group)
    assert tenant.groups[group]["email"] in unread.why
    assert directory.held is not None
    assert (Kind.USER, leaver) not in directory.held.records
    assert {edge for edge in directory.held.edges if edge[0] == group} == {e for e in before.edges if e[0] == group}
    directory.google.forbidden = set()
    await directory.sync()
    directory.assert_equal()


async def test_many_unreadable_groups_mean_a_missing_right(directory: Directory) -> None:
    directory.google.forbidden = set(directory.tenant.groups)
    with pytest.raises(SourceError, match="must be an administrator"):
        await directory.sync()


async def test_members_that_are_missing_twice_for_different_reasons(directory: Directory) -> None:
    """A replica that lacks the first member, then a lost page: both responses are empty."""
    group = directory.tenant.found("Two Reasons")
    await directory.sync()
    directory.tenant.replica_lag = 1
    directory.tenant.join(group, next(iter(directory.tenant.users)))
    lose = directory.google.knobs.lose_page

    def second(method: str) -> None:
        lose.times = int(method == "members.list" and directory.google.calls["members.list"] == before + 2)

    before = directory.google.calls["members.list"]
    directory.google.meanwhile = second
    await directory.sync()
    assert lose.hits == 1
    directory.assert_equal()


@pytest.mark.parametrize("people", [30, 400])
async def test_many_records_that_only_the_second_listing_has_are_an_error(start: Start, people: int) -> None:
    directory = start(company(people=people, groups=0, memberships=0))
    directory.google.knobs.page_size = people // 4
    directory.google.knobs.lose_page.times = 1
    if people == 30:
        await directory.sync()
        directory.assert_equal()
        return
    with pytest.raises(SourceError, match=r"listing of users is incomplete: a second one has 100 users"):
        await directory.sync()


async def test_users_created_during_the_pull_are_read_by_the_next_one(start: Start) -> None:
    directory = start(company(people=30, groups=3, memberships=20))
    directory.google.knobs.page_size = 10
    before = set(directory.tenant.users)

    def hire(method: str) -> None:
        if method == "users.list" and directory.google.calls["users.list"] == 4:
            for number in range(80):
                directory.tenant.hire(f"New{number} Comer")

    directory.google.meanwhile = hire
    await directory.sync()
    assert directory.held is not None
    assert {key for kind, key in directory.held.records if kind is Kind.USER} == before
    await directory.sync()
    directory.assert_equal()


@pytest.mark.parametrize("what", ["users", "groups"])
async def test_a_listing_that_is_empty_twice_is_rejected(directory: Directory, what: str) -> None:
    directory.google.knobs.lose_page.times = 2
    directory.google.knobs.lose_page.spare = 0 if what == "groups" else 6
    if what == "users":
        with pytest.raises(SourceError, match=r"grace\.admin@acme\.example, the subject, is missing"):
            await directory.sync()
    else:
        await directory.sync()  # Google does not report the number of groups: only the plan's guard can help here.


@pytest.mark.parametrize("spare", [0, 2, 5])
async def test_a_page_that_repeats_itself_ends_the_pull(paged: Directory, spare: int) -> None:
    paged.google.knobs.repeat_page.times, paged.google.knobs.repeat_page.spare = 1, spare
    with pytest.raises(SourceError, match="repeats pages"):
        await paged.sync()


async def test_a_page_token_that_expires_ends_the_pull(paged: Directory) -> None:
    paged.google.knobs.expire_page_token.times = 1
    with pytest.raises(SourceError, match="INVALID_PAGE_TOKEN"):
        await paged.sync()


@pytest.mark.parametrize("fault", ["throttle", "cut", "html", "html_200"])
async def test_permanent_faults_end_the_pull(paged: Directory, fault: str) -> None:
    paged.google.knobs.faults[fault].chance = 1.0
    with pytest.raises(SourceError):
        await paged.sync()


async def test_a_repeatedly_rejected_token_ends_the_pull(directory: Directory) -> None:
    directory.google.knobs.revoke_token.chance = 1.0
    with pytest.raises(SourceError, match="invalid authentication credentials"):
        await directory.sync()


async def test_an_expired_token_is_replaced_before_it_is_rejected(directory: Directory) -> None:
    directory.google.accounts.life = 60
    await directory.sync()
    directory.assert_equal()
    assert directory.google.calls["token"] > 1


@pytest.mark.parametrize("minutes", [-4, 4])
async def test_a_small_clock_difference_does_not_matter(directory: Directory, minutes: int) -> None:
    directory.google.knobs.skew = timedelta(minutes=minutes)
    await directory.sync()
    directory.assert_equal()


@pytest.mark.parametrize(("minutes", "words"), [(-30, "behind"), (90, "ahead")])
async def test_a_large_clock_difference_is_named(directory: Directory, minutes: int, words: str) -> None:
    directory.google.knobs.skew = timedelta(minutes=minutes)
    seconds = f"{abs(minutes) * 60 // 1000},"
    with pytest.raises(SourceError, match=rf"set this machine's clock: Google's is {seconds}\d\d\d s {words}"):
        await directory.sync()


async def test_a_fault_midway_leaves_the_cursor_unchanged(paged: Directory) -> None:
    await paged.sync()
    before = paged.done
    paged.tenant.leave(list(paged.tenant.users)[3])
    paged.google.knobs.expire_page_token.times = 1
    with pytest.raises(SourceError):
        await paged.sync()
    assert paged.done == before
    await paged.sync()
    paged.assert_equal()


@pytest.mark.parametrize("seed", range(8))
async def test_faults_in_random_combination(start: Start, seed: int) -> None:
    """Several pulls with changes and faults, also in the middle of pulls; then pulls without faults."""
    dice, clock = random.Random(seed), Clock()
    tenant = company(people=30, groups=6, memberships=40, now=clock)
    directory = start(tenant)
    knobs = directory.google.knobs
    knobs.page_size = dice.choice([3, 8, None])
    for _ in range(8):
        for _ in range(dice.randrange(4)):
            change(tenant, dice)
        for name, knob in knobs.faults.items():
            knob.chance = 0 if name in _ENDING else dice.choice([0, 0, 0.02, 0.1])
            if name in _ENDING and dice.random() < 0.15:
                knob.times, knob.spare = 1, dice.randrange(20)
        tenant.catch_up()
        tenant.replica_lag = dice.choice([0, 0, 1])
        busy = dice.random() < 0.3
        directory.google.meanwhile = lambda _, busy=busy: change(tenant, dice) if busy and dice.random() < 0.1 else None  # type: ignore[misc]
        clock.forward(minutes=dice.choice([1, 20]))
        before = truth(tenant)
        with suppress(SourceError):
            await directory.sync()
            if tenant.replica_lag == 0:
                directory.assert_no_record_is_missing(before)
            if tenant.replica_lag == 0 and not busy:
                directory.assert_equal()
    for knob in knobs.faults.values():
        knob.chance = knob.times = 0
    tenant.catch_up()
    directory.google.meanwhile = lambda _: None
    for _ in range(3):
        clock.forward(minutes=20)
        await directory.sync()
    directory.assert_equal()


_ENDING = {"lose_page", "repeat_page", "expire_page_token"}
