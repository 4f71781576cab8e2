"""A daemon that is ended or killed at any moment and started again completes its work."""

from __future__ import annotations

import random
import signal
import time
from pathlib import Path

from tests.system.daemon import daemon
from tests.system.example import configure, content, query

PEOPLE = 1_500
MANY = 8_000
"""Enough people that their delivery takes several batches."""
GROUPS = 60
KILLS = 3
SEED = 20260802


def write(folder: Path, *, later: bool, people: int = PEOPLE) -> None:
    """A company; ``later`` after half of all titles, some memberships and a few people changed."""
    acme = folder / "acme"
    acme.mkdir(exist_ok=True)
    here = [n for n in range(people) if not (later and n % 50 == 7)]
    files = {
        "users.csv": ["id,userName,displayName,email,title,manager", *(person(n, later) for n in here)],
        "groups.csv": ["id,displayName", *(f"g{g},Group {g}" for g in range(GROUPS))],
        "members.csv": ["group_id,member_id", *(f"g{(n + later * (n % 9 == 0)) % GROUPS},u{n}" for n in here)],
    }
    for name, lines in files.items():
        (acme / name).write_text("\n".join(lines) + "\n")


def person(n: int, later: bool) -> str:
    manager = f"u{n // 10}" if n and (n // 10) % 50 != 7 else ""
    return f"u{n},person{n},Zoë {n},u{n}@acme.example,{'Director' if later and n % 2 else 'Engineer'},{manager}"


def complete(config: Path) -> float:
    """Run a daemon until everything is delivered, and return the seconds that this took."""
    with daemon(config) as running:
        running.wait("it did not arrive", running.deliveries)
        running.end()
        done = running.said('"succeeded"')
    return sum(float(one["seconds"]) for one in done)


def test_a_delivery_that_was_interrupted_is_completed_at_the_next_start(tmp_path: Path) -> None:
    calm, ended = folder(tmp_path, "calm"), folder(tmp_path, "ended")
    for one in (calm, ended):
        write(one, later=False, people=MANY)
    complete(configure(calm, {"acme": "1h"}))
    config = configure(ended, {"acme": "1h"})
    with daemon(config) as running:
        running.wait("it did not deliver", lambda: query(ended, "SELECT 1 FROM users LIMIT 1"))
        code, seconds = running.end()
    assert code == 0
    assert seconds < 10
    assert running.said("stopped before its end")
    assert query(ended, "SELECT count(*) < ? FROM group_members", MANY) == [(True,)], "it was not stopped midway"
    complete(config)
    assert content(ended) == content(calm)


def test_a_daemon_killed_at_any_moment_completes_its_work_after_a_restart(tmp_path: Path) -> None:
    calm, killed = folder(tmp_path, "calm"), folder(tmp_path, "killed")
    chance = random.Random(SEED)
    for later in (False, True):
        for one in (calm, killed):
            write(one, later=later)
        seconds = complete(configure(calm, {"acme": "1h"}))
        config = configure(killed, {"acme": "1h"})
        for _ in range(KILLS):
            with daemon(config) as running:
                running.wait("it did not start", lambda: running.said("started"))
                time.sleep(chance.uniform(0, seconds))
                code, _ = running.end(signal.SIGKILL)
                assert code == -signal.SIGKILL
        complete(config)
        assert content(killed) == content(calm)


def folder(parent: Path, name: str) -> Path:
    made = parent / name
    made.mkdir()
    return made
