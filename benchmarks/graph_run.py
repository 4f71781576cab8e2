"""What a whole run on Microsoft Graph costs, against httpx fetching the same pages and msgspec decoding them.

Run: ``python -m benchmarks.graph_run [people]``. A fake in a process of its own holds 100,000 people, 5,000 groups and
500,000 memberships, and has all pages ready; state and target are SQLite. A run is everything from opening the state
database to the run's line in the journal: sign-in, pull, snapshot, diff, plan, guard, delivery. Measured are a complete
run and an incremental one with nothing changed, and an incremental one with a hundred people changed who lead nobody,
each in a process of its own, after an incremental run that is not measured: as in a daemon, which has imported all. The
floors are those of a complete and of an incremental pull, interleaved. Medians of five, in wall and in CPU time: the
latter is the client's own, whatever else the machine does.
"""

from __future__ import annotations

import asyncio
import json
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

import msgspec
from benchmarks import table
from benchmarks.graph_pull import CHANGED, ROUNDS, fetched, floor, timed
from benchmarks.measure import Cost, medians

from usersyncd import memory

CONFIG = """
state: sqlite:///state.db
directories:
  cloud:
    connector: entra
    options:
      tenant: {tenant}
      client_id: {client}
      client_secret: {{file: secret}}
      endpoints: {{login: "{url}", graph: "{url}"}}
targets:
  app:
    connector: sql
    options: {{url: "sqlite:///app.db", create_tables: true}}
"""


def main(people: int = 100_000) -> None:
    command = [sys.executable, "-m", "tests.fakes.graph", str(people)]
    with (
        tempfile.TemporaryDirectory() as name,
        subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as server,
    ):
        told, said = server.stdin, server.stdout
        assert told is not None
        assert said is not None
        folder, url = Path(name), said.readline().strip()
        _configure(folder, url)
        found: dict[str, list[dict[str, Any]]] = {}

        def case(what: str, argument: str = name, changed: int = 0) -> None:
            child = _started(what, argument)
            told.write(f"{changed}\n")
            told.flush()
            said.readline()
            found.setdefault(f"{what} {changed}", []).append(_measured(child))

        case("first")
        for _ in range(ROUNDS):
            case("floor", url)
            case("complete")
            for changed in (0, CHANGED):
                case("incremental", changed=changed)
                case("incremental floor", changed=changed)
        told.close()
    floor, quiet, busy = (found[what] for what in ("floor 0", "incremental 0", f"incremental {CHANGED}"))
    quiet_floor, busy_floor = (found[f"incremental floor {changed}"] for changed in (0, CHANGED))
    print(f"{people:,} people, {people // 20:,} groups, {people * 5:,} memberships")
    print(f"{'':32}{'wall s':>8}{'CPU s':>8}{'× floor':>9}{'CPU':>7}{'peak MB':>9}")
    _show("first run", found["first 0"], floor)
    _show("nothing changed, complete", found["complete 0"], floor)
    _show("nothing changed, incremental", quiet, quiet_floor)
    _show("  against the complete floor", quiet, floor)
    _show(f"{CHANGED} changed, incremental", busy, busy_floor)
    complete, bare = (
        medians([Cost(run["wall"], run["cpu"], run["megabytes"]) for run in found[what]])
        for what in ("complete 0", "floor 0")
    )
    table.add(f"complete Graph run, {people:,} people, unchanged", complete, floor=bare, limit=2)
    own = [1000 * (_median(busy, what) - _median(busy_floor, what)) for what in ("wall", "cpu")]
    print(f"  of these, our own time: {own[0]:.0f} ms wall, {own[1]:.0f} ms CPU")


def _configure(folder: Path, url: str) -> None:
    from tests.fakes.graph import CLIENT, SECRET, TENANT

    (folder / "secret").touch(0o600)
    (folder / "secret").write_text(SECRET)
    (folder / "config.yaml").write_text(CONFIG.format(tenant=TENANT, client=CLIENT, url=url))


def _show(what: str, runs: list[dict[str, Any]], floors: list[dict[str, Any]]) -> None:
    wall, cpu = _median(runs, "wall"), _median(runs, "cpu")
    ratios = f"{wall / _median(floors, 'wall'):9.2f}{cpu / _median(floors, 'cpu'):7.2f}"
    print(f"{what:32}{wall:8.3f}{cpu:8.3f}{ratios}{max(run['megabytes'] for run in runs):9.0f}")


def _median(found: list[dict[str, Any]], what: str) -> float:
    return float(statistics.median(one[what] for one in found))


def _started(what: str, argument: str) -> subprocess.Popen[str]:
    """Start a process, and wait until it is ready to be measured."""
    command = [sys.executable, "-m", __spec__.name, what, argument]
    child = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert child.stdout is not None
    assert child.stdout.readline() == "ready\n"
    return child


def _measured(child: subprocess.Popen[str]) -> dict[str, Any]:
    said, _ = child.communicate("go\n")
    return dict(json.loads(said))


Work = Callable[[], Coroutine[Any, Any, tuple[int, str]]]


def when_asked(work: Work, warm: Work | None = None) -> None:
    """Print that the process is ready, wait for a line, then do the work and print its cost."""
    if warm is not None:
        asyncio.run(warm())
    memory.tune()  # as the command line does, and here for the floor, too
    print("ready", flush=True)
    sys.stdin.readline()
    timed(work)


def one_run(folder: Path, *, complete: bool) -> Work:
    """Return the work of a whole run."""
    from usersyncd import logs
    from usersyncd.config import load
    from usersyncd.opening import open_state
    from usersyncd.options import RunOptions
    from usersyncd.sync import sync_directory

    logs.configure("error")
    config = load(folder / "config.yaml")

    async def work() -> tuple[int, str]:
        database = open_state(config)
        report = await sync_directory(database, config, "cloud", RunOptions(complete=complete))
        database.close()
        assert report.status == "succeeded", report
        assert report.pull is not None
        assert report.pull.complete is complete
        return report.pull.changed, ""

    return work


def floor_of_changes(folder: Path) -> Work:
    """Return the work of fetching and decoding the changes that the next run will read."""
    import sqlite3

    with sqlite3.connect(f"file:{folder}/state.db?mode=ro", uri=True) as state:
        [(cursor,)] = state.execute("SELECT cursor FROM directories").fetchall()
    links = msgspec.json.decode(cursor)
    url = links["users"].partition("/v1.0")[0]
    return lambda: fetched(url, [links["groups"], links["users"]], {"Prefer": "return=minimal"})


if __name__ == "__main__":
    match sys.argv[1:]:
        case ["first", folder]:
            when_asked(one_run(Path(folder), complete=True))
        case ["complete" | "incremental" as what, folder]:
            warm = one_run(Path(folder), complete=False)
            when_asked(one_run(Path(folder), complete=what == "complete"), warm)
        case ["incremental floor", folder]:
            when_asked(floor_of_changes(Path(folder)), floor_of_changes(Path(folder)))
        case ["floor", url]:
            when_asked(floor(url))
        case [people]:
            main(int(people))
        case _:
            main()
