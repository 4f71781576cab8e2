"""How much of its quota a Google pull uses, how many requests it makes, and what they cost the client.

Run: ``python -m benchmarks.google_pull [requests a minute]``. A fake Google in a process of its own holds 100,000
people, 5,000 groups and 500,000 memberships, and answers after 50 ms. It refuses what is above the quota. What the
quota allows is the floor: so many seconds for so many requests.
"""

from __future__ import annotations

import asyncio
import multiprocessing
import os
import random
import resource
import sys
import time
from collections import Counter
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

from msgspec import Struct

from usersyncd.http_client import Clock
from usersyncd.plugin import Done, Kind
from usersyncd.testing import source_context

LATENCY = 0.05
PEOPLE, GROUPS, MEMBERS = 100_000, 5_000, 100
QUOTA = 6_000
READS = {
    Kind.USER: frozenset({"primaryEmail", "givenName", "familyName", "displayName", "active", "title", "manager"}),
    Kind.GROUP: frozenset({"name", "description"}),
}


class Measured(Struct):
    """One pull: its end, seconds of the wall and of the client's processor, requests by method."""

    done: Done
    wall: float
    cpu: float
    calls: Counter[str]
    members: float
    """Seconds from the first to the last request for members."""


def main(per_minute: int = QUOTA) -> None:
    here, there = multiprocessing.get_context("spawn").Pipe()
    process = multiprocessing.get_context("spawn").Process(target=serve, args=(there, per_minute), daemon=True)
    process.start()
    options, key = here.recv()
    os.environ["GOOGLE_KEY"] = key
    options |= {"service_account": {"env": "GOOGLE_KEY"}, "per_minute": per_minute}
    print(f"{PEOPLE:,} people, {GROUPS:,} groups, {GROUPS * MEMBERS:,} memberships; {1000 * LATENCY:.0f} ms a request;")
    print(f"quota {per_minute:,} a minute{'requests':>36}{'seconds':>9}{'quota':>9}{'CPU s':>9}")
    try:
        whole = show("complete", measure(here, options, None), per_minute)
        if "members.list" in whole.calls:
            floor = (whole.calls["members.list"] - 1) * 60 / per_minute
            print(f"  {'of these, listing members':40}{whole.calls['members.list']:12,}{whole.members:9.1f}"
                  f"{floor / whole.members:9.0%}")  # fmt: skip
        quiet = show("nothing changed", measure(here, options, whole.done.cursor), per_minute)
        here.send("change")
        here.recv()
        show("20 groups changed", measure(here, options, quiet.done.cursor), per_minute)
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        print(f"the client had {peak:,.0f} MB of memory at its peak, imports included")
        print(f"the cursor has {len(whole.done.cursor or '') / 1000:,.0f} kB")
    finally:
        here.send("stop")
        process.join(10)


def show(what: str, found: Measured, per_minute: int) -> Measured:
    count = found.calls.total()
    floor = count * 60 / per_minute
    print(f"{what:42}{count:12,}{found.wall:9.1f}{floor / found.wall:9.0%}{found.cpu:9.1f}")
    print(f"  {', '.join(f'{method} {number:,}' for method, number in sorted(found.calls.items()))}")
    return found


def measure(fake: Connection, options: dict[str, Any], cursor: str | None) -> Measured:
    fake.send("calls")
    before, _ = fake.recv()
    wall, cpu = time.monotonic(), time.process_time()
    done = asyncio.run(pull(options, cursor))
    wall, cpu = time.monotonic() - wall, time.process_time() - cpu
    fake.send("calls")
    after, (first, last) = fake.recv()
    return Measured(done, wall, cpu, Counter(after) - Counter(before), last - first)


async def pull(options: dict[str, Any], cursor: str | None) -> Done:
    """One pull as a run does it, with real waits."""
    from usersyncd_google import GoogleSource
    from usersyncd_google.options import GoogleOptions

    context = source_context(Path(), reads=READS, clock=Clock())
    source = GoogleSource(GoogleOptions.model_validate(options), context)
    done: Done | None = None
    async for page in source.pull(cursor):
        done = page if isinstance(page, Done) else None
    assert done is not None
    return done


def serve(there: Connection, per_minute: int) -> None:
    """Run the fake server until it is stopped."""
    from tests.fakes.google import Google, Tenant

    tenant = Tenant()
    dice = random.Random(1)
    tenant.hire("Grace Admin", admin=True)
    users = [tenant.hire(f"Person{number} Of{number % 977}") for number in range(PEOPLE - 1)]
    groups = [tenant.found(f"Group {number}") for number in range(GROUPS)]
    for group in groups:
        for user in dice.sample(users, MEMBERS):
            tenant.join(group, user)
    tenant.activities.clear()
    google = Google(tenant)
    google.judged = False
    google.knobs.latency, google.knobs.per_minute = LATENCY, per_minute
    options = {"subject": "grace.admin@acme.example", "endpoint": google.url, "token_endpoint": google.token_url}
    there.send((options, google.accounts.key_file(google.token_url)))
    while (said := there.recv()) != "stop":
        if said == "change":
            for user, group in zip(users, groups[:20], strict=False):
                tenant.join(group, user)
        there.send((dict(google.calls), google.asked.get("members.list", (0.0, 0.0))))
    google.stop()


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
