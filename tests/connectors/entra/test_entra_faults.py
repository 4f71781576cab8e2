"""Faults of network and servers: a pull equals the tenant, or it fails with a reason."""

from __future__ import annotations

import asyncio
import time
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from random import Random

import pytest

from tests.connectors.entra.following import Follower, people, something_happens, teams
from tests.connectors.entra.tenants import source_of
from tests.fakes.graph import PASSING, ROUND, Graph, Tenant, company
from usersyncd.errors import SourceError
from usersyncd.http_client import Clock
from usersyncd.progress import Wait
from usersyncd.testing import HurriedClock, read, source_context

SURE = [fault for fault in PASSING if fault not in ("token_dies", "revoked")]
"""Temporary faults, which are retried however often they happen."""


@pytest.fixture
def follower(graph: Graph, tmp_path: Path) -> Follower:
    return Follower(graph, tmp_path)


@pytest.mark.parametrize("fault", SURE)
async def test_temporary_faults_are_retried(follower: Follower, fault: str) -> None:
    follower.graph.faults.rate = {fault: 0.3}
    await follower.pull()
    assert follower.is_right
    assert follower.graph.faults.seen.count(fault) > 3
    tenant = follower.graph.tenant
    tenant.delete(people(tenant)[5])
    await follower.pull()
    assert follower.is_right
    assert not follower.complete


@pytest.mark.parametrize("fault", ["token_dies", "revoked"])
async def test_a_token_that_expires_midway_is_renewed(follower: Follower, fault: str) -> None:
    faults = follower.graph.faults
    faults.coming.append(fault)

    def again() -> None:
        if not faults.coming and len(follower.graph.requests) % 3 == 0:
            faults.coming.append(fault)

    follower.graph.between = again
    await follower.pull()
    assert follower.is_right
    assert faults.seen.count(fault) > 2
    assert follower.graph.signin.issued > 3


async def test_a_token_that_is_always_rejected(follower: Follower) -> None:
    follower.graph.signin.app.lifetime = -1
    with pytest.raises(SourceError, match="401 InvalidAuthenticationToken: Lifetime validation failed") as raised:
        await follower.pull()
    assert "request-id req-1" in str(raised.value)


@pytest.mark.parametrize("fault", ROUND)
async def test_unusual_rounds(follower: Follower, fault: str) -> None:
    follower.graph.faults.coming.append(fault)
    if fault == "expire_page":
        with pytest.raises(SourceError, match="Directory_ExpiredPageToken"):
            await follower.pull()
    await follower.pull()
    assert follower.graph.faults.seen == [fault]
    assert follower.is_right


@pytest.mark.parametrize("page", [2, 5, 9])
async def test_a_lost_page_of_users_is_detected(follower: Follower, page: int) -> None:
    follower.graph.faults.lose_page = ("user", page)
    with pytest.raises(SourceError, match=r"the delta query of users left out [47] of 60 existing objects, such as"):
        await follower.pull()


async def test_a_lost_page_of_groups_is_detected(tmp_path: Path) -> None:
    with Graph(company(groups=8), page_size=7, members_per_item=1000) as graph:
        graph.faults.lose_page = ("group", 2)
        with pytest.raises(SourceError, match="the delta query of groups left out 1 of 8"):
            await Follower(graph, tmp_path).pull()


@pytest.mark.parametrize("kind", ["user", "group"])
async def test_a_lost_page_of_new_objects_deletes_nothing(tmp_path: Path, kind: str) -> None:
    """They could also be too new for the round."""
    moment = f"{datetime.now(UTC) - timedelta(minutes=10):%Y-%m-%dT%H:%M:%SZ}"
    with Graph(company(users=7, groups=7), page_size=7, members_per_item=1000) as graph:
        follower, tenant = Follower(graph, tmp_path), graph.tenant
        if kind == "user":
            tenant.join(teams(tenant)[0], *(tenant.add_user(createdDateTime=moment) for _ in range(3)))
        else:
            for _ in range(3):
                tenant.join(tenant.add_group(createdDateTime=moment), *people(tenant))
        await follower.pull()
        follower.cursor, graph.faults.lose_page = None, (kind, 2)
        await follower.pull()
        assert graph.faults.seen == ["lose_page"]
        assert follower.is_right


async def test_a_lost_page_is_detected_although_as_many_users_were_deleted(follower: Follower) -> None:
    """A user who was deleted after being listed is not counted."""
    graph = follower.graph
    graph.faults.lose_page = ("user", 2)
    left: list[str] = []

    def between() -> None:
        if graph.requests[-1] == "users" and not left:
            left.extend(people(graph.tenant)[:4])
            left.extend(people(graph.tenant)[-6:])
            for person in left:
                graph.tenant.delete(person)

    graph.between = between
    with pytest.raises(SourceError, match="the delta query of users left out 7 of 50"):
        await follower.pull()


async def test_a_user_created_before_the_count_is_not_a_fault(follower: Follower) -> None:
    graph = follower.graph
    graph.between = lambda: graph.requests[-1] == "users" and graph.tenant.add_user()
    await follower.pull()
    assert follower.complete, "this needs no other complete pull"
    graph.between = lambda: None
    await follower.pull()
    assert follower.is_right


async def test_a_round_without_end(follower: Follower) -> None:
    follower.graph.faults.endless = True
    with pytest.raises(SourceError, match="has no end"):
        await asyncio.wait_for(follower.pull(), 120)


async def test_requests_are_delayed_in_a_busy_tenant(follower: Follower, tmp_path: Path) -> None:
    clock = HurriedClock()
    graph = follower.graph
    graph.now = clock.now
    graph.faults.units = 6
    waits: list[Wait] = []
    source = source_of(graph, tmp_path)
    source._context = source_context(tmp_path, clock=clock, waiting=waits.append)
    await read(source)
    assert any("of its quota is used" in wait.why for wait in waits)
    assert sum(clock.slept) > 10


async def test_a_clock_that_is_wrong(follower: Follower) -> None:
    follower.graph.faults.clock_skew = -86_400
    follower.graph.faults.rate = {"throttle_date": 0.5}
    await follower.pull()
    assert follower.is_right
    asked = [entry["seconds"] for entry in follower.log.entries if "requested it" in entry["event"]]
    assert asked
    assert max(asked) < 120


async def test_waiting_ends_at_once_when_the_run_is_cancelled(follower: Follower, tmp_path: Path) -> None:
    follower.graph.faults.rate = {"busy": 1.0}
    source = source_of(follower.graph, tmp_path)
    waits = asyncio.Event()
    source._context = source_context(tmp_path, clock=Clock(), waiting=lambda _: waits.set())
    task = asyncio.create_task(read(source))
    await asyncio.wait_for(waits.wait(), 60)
    began = time.monotonic()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert time.monotonic() - began < 10


@pytest.mark.parametrize("seed", range(12))
async def test_everything_at_once(seed: int, tmp_path: Path) -> None:
    """Random faults with random rates, in a tenant that changes while it is read. A failed pull changes nothing."""
    random = Random(seed)
    with Graph(company(users=50, groups=7, memberships=150), page_size=9, members_per_item=8) as graph:
        follower = Follower(graph, tmp_path)
        faults = graph.faults
        faults.random = random
        tenant = graph.tenant
        failures = 0
        for _ in range(8):
            kinds = random.sample([*PASSING, *ROUND], 5)
            faults.rate = {fault: random.choice([0.02, 0.1, 0.3]) for fault in kinds}
            faults.expire_cursor = random.choice([None, None, None, "gone", "not_found", "generation", "resync"])
            faults.lose_page = random.choice([None, None, None, ("user", 3)])
            faults.clock_skew = random.uniform(-1e6, 1e6)
            graph.between = partial(_sometimes, tenant, random)
            try:
                await follower.pull()
            except SourceError:
                failures += 1
        faults.rate, faults.expire_cursor, faults.lose_page = {}, None, None
        graph.between = lambda: None
        await follower.pull()
        assert follower.is_right, f"{failures} pulls failed"
        assert failures < 8


def _sometimes(tenant: Tenant, random: Random) -> None:
    if random.random() < 0.2:
        something_happens(tenant, random)
