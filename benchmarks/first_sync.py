"""What a first sync from CSV files costs, and one in which nothing changed, against dlt and floors.

Run: ``python -m benchmarks.first_sync [people]``. A company of 100,000 people (20 attributes), 5,000 groups and 500,000
memberships is delivered into an empty database, with the state in SQLite. Each case is a process of its own; cases are
interleaved, and the median of five rounds is taken (of three if a case takes more than 10 s).

The floors read the same files with csv.reader, and write the same rows into tables with the same keys: by COPY into
PostgreSQL, by executemany into SQLite. dlt (``make bench-peers``) runs twice: into an empty database, and once more
when nothing changed.
"""

from __future__ import annotations

import asyncio
import csv
import re
import shutil
import sqlite3
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

from benchmarks import table
from benchmarks.measure import ROOT, Cost, process, report, rounds
from benchmarks.sync import COLUMNS, CONFIG, company

MODULE = "benchmarks.first_sync"
PEER = ROOT / ".venv-peers" / "bin" / "python"
RULES = """
    users:
      key: id
      set:
        id: user.id
        login: user.userName
        email: user.email.lowerAscii()
        first: user.givenName
        last: user.familyName
        name: user.givenName + " " + user.familyName
        title: user.title
        department: user.department
        manager: user.manager
        plan: 'user.userType == "Employee" && user.email.endsWith("@company.example") ? "full" : "basic"'
"""
"""Ten attributes, three of them computed."""
FOUND = ("valid_from", "valid_until", "created_at", "deactivated_at")
"""Columns of users that the files do not have."""


def main(people: int = 100_000) -> None:
    with company(people) as (folder, server):
        found = rounds(_cases(folder, server.database))
    print(f"{people:,} people, {people // 20:,} groups, {people * 5:,} memberships")
    first, dlt = found["first"], found.get("dlt", "no dlt: make bench-peers")
    again = found.get("dlt again", dlt)
    table.add("first sync, CSV → PostgreSQL", first, floor=found["floor"], peer=dlt, limit=1.25)
    table.add("first sync, CSV → PostgreSQL, against its floor", first, floor=found["floor"], limit=5)
    table.add("the same with ten rules, three computed", found["rules"], floor=first, limit=1.5)
    table.add("first sync, CSV → SQLite", found["sqlite"], floor=found["sqlite floor"], limit=4)
    table.add("nothing changed, against dlt doing it again", found["unchanged"], peer=again, limit=0.25)
    table.add_measure("memory of a first sync", first.megabytes, "MB", 200)
    table.add_measure("memory of a sync in which nothing changed", found["unchanged"].megabytes, "MB", 120)


def _cases(folder: Path, database: Callable[[], str]) -> dict[str, Callable[[], Cost]]:
    url = ""

    def empty(*arguments: object) -> Callable[[], Cost]:
        """A case with an empty database."""

        def case() -> Cost:
            nonlocal url
            url = database()
            return process(MODULE, *arguments, folder, url)

        return case

    def sqlite(what: str) -> Callable[[], Cost]:
        def case() -> Cost:
            (folder / "app.db").unlink(missing_ok=True)
            return process(MODULE, what, folder, f"sqlite:///{folder}/app.db")

        return case

    def dlt() -> Cost:
        nonlocal url
        url = database()
        shutil.rmtree(folder / "dlt", ignore_errors=True)
        return process("benchmarks.dlt_peer", folder, url, python=str(PEER))

    cases = {
        "floor": empty("floor"),
        "rules": empty("rules"),
        "sqlite floor": sqlite("sqlite floor"),
        "sqlite": sqlite("first"),
        "first": empty("first"),
        "unchanged": lambda: process(MODULE, "again", folder, url),
    }
    if PEER.exists():
        cases |= {"dlt": dlt, "dlt again": lambda: process("benchmarks.dlt_peer", folder, url, python=str(PEER))}
    return cases


def sync(folder: Path, url: str, rules: str = "", *, first: bool = True, state: str = "sqlite:///state.db") -> None:
    """Run one sync in this process, and print its cost: as in a daemon, without imports and compiling the rules."""
    import psycopg  # noqa: F401 - the target imports it

    from usersyncd import logs, memory
    from usersyncd.config import load
    from usersyncd.job import delivery_jobs, jobs
    from usersyncd.opening import open_state
    from usersyncd.options import RunOptions
    from usersyncd.sync import sync

    logs.configure("error")
    if first:
        for file in folder.glob("state.db*"):
            file.unlink()
    (folder / "config.yaml").write_text(CONFIG.replace("sqlite:///state.db", state) % url + rules)
    config = load(folder / "config.yaml")
    pulls = jobs(config)
    deliveries = delivery_jobs(pulls.values())
    memory.tune()

    def work() -> None:
        database = open_state(config)
        [done] = asyncio.run(sync(database, config.folder, pulls, deliveries, ["company"], RunOptions()))
        database.close()
        assert done.status == "succeeded", done

    report(work)


def floor(folder: Path, url: str) -> None:
    """COPY the rows of the files into tables with the same keys, and print the cost."""
    import psycopg

    with psycopg.connect(url) as connection:
        for name in KEYS:
            connection.execute(_create(name))
        connection.commit()

        def work() -> None:
            for name in KEYS:
                with connection.cursor().copy(f"COPY {name} ({', '.join(_columns(name))}) FROM STDIN") as copy:
                    for row in _rows(folder, name):
                        copy.write_row(row)
            connection.commit()

        report(work)


def sqlite_floor(folder: Path, url: str) -> None:
    """Insert the rows of the files into tables with the same keys, and print the cost."""
    with sqlite3.connect(url.removeprefix("sqlite:///"), isolation_level=None) as connection:
        for name in KEYS:
            connection.execute(_create(name))

        def work() -> None:
            connection.execute("BEGIN")
            for name in KEYS:
                columns = _columns(name)
                values = ", ".join("?" * len(columns))
                rows = _rows(folder, name)
                connection.executemany(f'INSERT INTO "{name}" ({", ".join(columns)}) VALUES ({values})', rows)
            connection.execute("COMMIT")

        report(work)
    connection.close()


KEYS = {"users": ("id",), "groups": ("id",), "group_members": ("group_id", "member_id")}
FILES = {"group_members": "members"}


def _create(name: str) -> str:
    columns = [f"{column} text" for column in (*_columns(name), *(FOUND if name == "users" else ()))]
    return f'CREATE TABLE "{name}" ({", ".join(columns)}, PRIMARY KEY (directory, {", ".join(KEYS[name])}))'


def _columns(name: str) -> list[str]:
    match name:
        case "users":
            own = [re.sub("([A-Z])", r"_\1", column).lower() for column in COLUMNS]
            return ["directory", *own, "updated_at"]
        case "groups":
            return ["directory", "id", "display_name", "description", "updated_at"]
        case _:
            return ["directory", "group_id", "member_id"]


def _rows(folder: Path, name: str) -> Iterator[tuple[str | None, ...]]:
    more = () if name == "group_members" else ("2026-11-28 00:00:00+00",)
    with (folder / f"{FILES.get(name, name)}.csv").open(newline="") as file:
        reader = csv.reader(file)
        next(reader)
        for row in reader:
            yield ("company", *(value or None for value in row), *more)


if __name__ == "__main__":
    match sys.argv[1:]:
        case ["first", folder, url]:
            sync(Path(folder), url)
        case ["rules", folder, url]:
            sync(Path(folder), url, RULES)
        case ["again", folder, url]:
            sync(Path(folder), url, first=False)
        case ["floor", folder, url]:
            floor(Path(folder), url)
        case ["sqlite floor", folder, url]:
            sqlite_floor(Path(folder), url)
        case [people]:
            main(int(people))
        case _:
            main()
