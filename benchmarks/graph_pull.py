"""What a pull of Microsoft Graph costs, against httpx fetching the same pages and msgspec decoding them.

Run: ``python -m benchmarks.graph_pull [people]``. A fake in a process of its own holds 100,000 people, 5,000 groups and
500,000 memberships, and has all pages ready. Pull and floor run in processes of their own, interleaved; the median of
five is taken, from their start to their end, without Python's own start. The pull includes signing in. Then a hundred
people change, and an incremental pull is measured.
"""

from __future__ import annotations

import asyncio
import json
import os
import resource
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Coroutine, Mapping, Sequence
from pathlib import Path
from typing import Any

import httpx
import msgspec
from benchmarks import table
from benchmarks.measure import Cost, medians

from usersyncd.http_client import Clock
from usersyncd.plugin import Done, Kind, Members
from usersyncd.testing import source_context
from usersyncd_entra import EntraSource
from usersyncd_entra.mapping import MAPPING
from usersyncd_entra.options import EntraOptions

ROUNDS, CHANGED = 5, 100
READS = {kind: frozenset(MAPPING[kind].values()) for kind in Kind}
"""The attributes that are read without rules."""


def main(people: int = 100_000) -> None:
    command = [sys.executable, "-m", "tests.fakes.graph", str(people)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as server:
        assert server.stdin is not None
        assert server.stdout is not None
        url = server.stdout.readline().strip()
        cursor = _measured("pull", url)["cursor"]  # So that all pages are ready.
        pulls, floors = [], []
        for _ in range(ROUNDS):
            floors.append(_measured("floor", url))
            pulls.append(_measured("pull", url))
        _show(f"complete, {people:,} people", pulls, floors)
        costs = [medians([Cost(one["wall"], one["cpu"], one["megabytes"]) for one in runs]) for runs in (pulls, floors)]
        table.add(f"complete Graph pull, {people:,} people", costs[0], floor=costs[1], limit=1.5)
        changes, nothing = [], []
        for _ in range(ROUNDS):
            nothing.append(_measured("changes", url, cursor))
            server.stdin.write(f"{CHANGED}\n")
            server.stdin.flush()
            server.stdout.readline()
            changes.append(_measured("changes", url, cursor))
            cursor = changes[-1]["cursor"]
        _show(f"{CHANGED} changes", changes)
        _show("nothing changed", nothing)
        server.stdin.close()


def _show(what: str, pulls: list[dict[str, Any]], floors: list[dict[str, Any]] | None = None) -> None:
    wall, cpu = (statistics.median(pull[name] for pull in pulls) for name in ("wall", "cpu"))
    line = f"{what:28} pull {wall:6.3f} s wall, {cpu:6.3f} s CPU, {pulls[0]['megabytes']:4.0f} MB"
    if floors:
        floor, floor_cpu = (statistics.median(each[name] for each in floors) for name in ("wall", "cpu"))
        line += (
            f"; floor {floor:6.3f} s, {floor_cpu:6.3f} s CPU; ratio {wall / floor:.2f} wall, {cpu / floor_cpu:.2f} CPU"
        )
    print(line + f"; items {pulls[0]['items']:,}")


def _measured(what: str, url: str, cursor: str = "") -> dict[str, Any]:
    command = [sys.executable, "-m", __spec__.name, what, url]
    done = subprocess.run(command, input=cursor, stdout=subprocess.PIPE, text=True, check=True)
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def timed(work: Callable[[], Coroutine[Any, Any, tuple[int, str]]]) -> None:
    before, began = time.process_time(), time.perf_counter()
    items, cursor = asyncio.run(work())
    wall, cpu = time.perf_counter() - began, time.process_time() - before
    megabytes = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(json.dumps({"wall": wall, "cpu": cpu, "items": items, "cursor": cursor, "megabytes": megabytes}))


def pull(url: str, cursor: str | None) -> Callable[[], Coroutine[Any, Any, tuple[int, str]]]:
    """One pull as a run does it."""
    from tests.fakes.graph import CLIENT, SECRET, TENANT

    os.environ["ENTRA_SECRET"] = SECRET
    options = {"tenant": TENANT, "client_id": CLIENT, "client_secret": {"env": "ENTRA_SECRET"}}
    endpoints = {"login": url, "graph": url}
    context = source_context(Path(), reads=READS, clock=Clock())
    source = EntraSource(EntraOptions.model_validate({**options, "endpoints": endpoints}), context)

    async def work() -> tuple[int, str]:
        items, end = 0, ""
        async for page in source.pull(cursor):
            if isinstance(page, Done):
                end = page.cursor or ""
                assert page.complete is (cursor is None)
            else:
                items += sum(len(item.added) if isinstance(item, Members) else 1 for item in page)
        assert end
        return items, end

    return work


def floor(url: str) -> Callable[[], Coroutine[Any, Any, tuple[int, str]]]:
    """Fetch and decode the same pages, and discard them."""
    from usersyncd_entra.fields import Fields

    links = [
        f"{url}/v1.0/{path}/delta?$select={','.join([*Fields(kind, READS[kind]).asked, *more])}"
        for kind, path, more in ((Kind.USER, "users", []), (Kind.GROUP, "groups", ["members"]))
    ]
    return lambda: fetched(url, links)


async def fetched(url: str, links: Sequence[str], headers: Mapping[str, str] | None = None) -> tuple[int, str]:
    """Sign in, fetch and decode these pages and all following ones, and return the number of items."""
    from tests.fakes.graph import CLIENT, SECRET, TENANT

    items = 0
    async with httpx.AsyncClient(timeout=60) as client:
        form = {"client_id": CLIENT, "client_secret": SECRET, "scope": f"{url}/.default"}
        token = (await client.post(f"{url}/{TENANT}/oauth2/v2.0/token", data=form)).json()["access_token"]
        client.headers.update({"Authorization": f"Bearer {token}", **(headers or {})})
        for first in links:
            link: str | None = first
            while link is not None:
                body = msgspec.json.decode((await client.get(link)).content)
                items += len(body["value"])
                link = body.get("@odata.nextLink")
    return items, ""


if __name__ == "__main__":
    match sys.argv[1:]:
        case ["pull", url]:
            timed(pull(url, None))
        case ["changes", url]:
            timed(pull(url, sys.stdin.read()))
        case ["floor", url]:
            timed(floor(url))
        case [people]:
            main(int(people))
        case _:
            main()
