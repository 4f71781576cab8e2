"""What a whole run costs, from CSV files to PostgreSQL with the state in SQLite, against a bare COPY of the same rows.

Run: ``python -m benchmarks.sync [people]``. A company of 100,000 people (20 attributes), 5,000 groups and 500,000
memberships is delivered into an empty database, read again without a change (and once more with ``--verify``), with
1% changed, and with 100 people changed. The floor is psycopg's COPY of the rows that the run has written, into empty
tables with the same primary keys. Each case is a process of its own; cases are interleaved, and the median of five
rounds is taken: wall time, and CPU of the process. The peak of memory is that of the process. With more than 100,000
people there is one round.
"""

from __future__ import annotations

import asyncio
import csv
import random
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tests.servers.postgres import Postgres

ROUNDS = 5
TABLES = ("users", "groups", "group_members")
COLUMNS = (
    "id", "userName", "email", "givenName", "familyName", "displayName", "active", "userType", "title", "department",
    "division", "costCenter", "organization", "employeeNumber", "manager", "preferredLanguage", "locale", "timezone",
    "phone", "mobile",
)  # fmt: skip
CONFIG = """
state: sqlite:///state.db
directories:
  company:
    connector: csv
    options: {users: users.csv, groups: groups.csv, members: members.csv}
targets:
  app:
    connector: sql
    options: {url: "%s", create_tables: true}
"""


def main(people: int = 100_000) -> None:
    from tests.servers.postgres import Postgres

    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        server = Postgres.start(folder / "postgres")
        try:
            _measure(server, folder, people)
        finally:
            server.stop()


def _measure(server: object, folder: Path, people: int) -> None:
    from tests.servers.postgres import Postgres

    assert isinstance(server, Postgres)
    seconds: dict[str, list[float]] = {}
    cpu: dict[str, list[float]] = {}
    peak: dict[str, float] = {}

    def case(name: str, url: str, *more: str) -> None:
        took, busy, megabytes = map(float, _process("run", str(folder), url, *more).split())
        seconds.setdefault(name, []).append(took)
        cpu.setdefault(name, []).append(busy)
        peak[name] = max(peak.get(name, 0), megabytes)

    for _ in range(ROUNDS if people <= 100_000 else 1):
        write_company(folder, people)
        (folder / "state.db").unlink(missing_ok=True)
        url = server.database()
        case("first sync", url)
        case("nothing changed", url)
        case("and verified", url, "verify")
        change(folder, people // 100)
        case("1% changed", url)
        change(folder, 100)
        case("100 changed", url)
        seconds.setdefault("floor: COPY", []).append(float(_process("floor", url, server.database())))
    floor = statistics.median(seconds["floor: COPY"])
    first = statistics.median(seconds["first sync"])
    print(f"{people:,} people, {people // 20:,} groups, {people * 5:,} memberships")
    same, busy = statistics.median(seconds["nothing changed"]), statistics.median(cpu["nothing changed"])
    print(f"{'':20}{'seconds':>10}{'× COPY':>10}{'× first':>10}{'× same':>10}{'CPU':>10}{'× same':>10}{'peak MB':>10}")
    for name, took in seconds.items():
        median = statistics.median(took)
        ratios = f"{median / floor:10.2f}{median / first:10.2f}{median / same:10.2f}"
        if name in cpu:
            spent = statistics.median(cpu[name])
            ratios += f"{spent:10.2f}{spent / busy:10.2f}{peak[name]:10.0f}"
        print(f"{name:20}{median:10.2f}{ratios}")


@contextmanager
def company(people: int) -> Iterator[tuple[Path, Postgres]]:
    """A folder with the CSV files of a company, and a PostgreSQL server."""
    from tests.servers.postgres import Postgres

    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        write_company(folder, people)
        server = Postgres.start(folder / "postgres")
        try:
            yield folder, server
        finally:
            server.stop()


def write_company(folder: Path, people: int) -> None:
    """Write the CSV files of a company, the same in every run. Ids are random, as directories have them: rows in the
    order of their ids would hide what it costs to find each in an index."""
    made = random.Random(7)
    ids, groups = ([f"{made.getrandbits(128):032x}" for _ in range(many)] for many in (people, people // 20))
    with (folder / "users.csv").open("w", newline="") as file:
        out = csv.writer(file)
        out.writerow(COLUMNS)
        for n in range(people):
            out.writerow(
                (
                    ids[n], f"user{n}", f"user{n}@company.example", f"Given{n % 997}", f"Family{n % 9973}",
                    f"Given{n % 997} Family{n % 9973}", "true", "Employee", f"Engineer {n % 31}", f"Dept. {n % 211}",
                    f"Division {n % 13}", f"CC-{n % 499:04}", "Company", f"{n:08}", ids[n // 10] if n else "",
                    "en-GB", "en-GB", "Europe/London", f"+44 20 7946 {n % 10000:04}", f"+44 7700 {n % 1000000:06}",
                )
            )  # fmt: skip
    with (folder / "groups.csv").open("w", newline="") as file:
        out = csv.writer(file)
        out.writerow(("id", "displayName", "description"))
        out.writerows((group, f"group {n}", f"What group {n} is for") for n, group in enumerate(groups))
    with (folder / "members.csv").open("w", newline="") as file:
        out = csv.writer(file)
        out.writerow(("group_id", "member_id"))
        for group in groups:
            out.writerows((group, user) for user in made.sample(ids, 100))


def change(folder: Path, people: int) -> None:
    """Change the titles of the first people, and remove one member from each of the first groups."""
    file = folder / "users.csv"
    lines = file.read_text().splitlines(keepends=True)
    for n in range(1, people + 1):
        lines[n] = lines[n].replace("Engineer", "Senior Engineer")
    file.write_text("".join(lines))
    file = folder / "members.csv"
    lines = file.read_text().splitlines(keepends=True)
    file.write_text("".join(line for n, line in enumerate(lines) if n == 0 or n % 100 or n > people * 5))


def _process(*arguments: str) -> str:
    command = [sys.executable, "-m", __spec__.name, *arguments]
    return subprocess.run(command, stdout=subprocess.PIPE, check=True, text=True).stdout


def one_run(folder: Path, url: str, *, verify: bool = False) -> None:
    """One run, in this process; prints its wall and CPU time in seconds, and the peak of memory in megabytes."""
    from usersyncd import logs, memory
    from usersyncd.config import load
    from usersyncd.opening import open_state
    from usersyncd.options import RunOptions
    from usersyncd.sync import sync_directory

    logs.configure("error")
    (folder / "config.yaml").write_text(CONFIG % url)
    config = load(folder / "config.yaml")
    began, busy = time.perf_counter(), time.process_time()
    database = open_state(config)
    memory.tune()  # as the command line does
    report = asyncio.run(sync_directory(database, config, "company", RunOptions(verify=verify)))
    took, spent = time.perf_counter() - began, time.process_time() - busy
    assert report.status == "succeeded", report
    print(took, spent, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024)


def floor(source: str, url: str) -> None:
    """COPY the rows of one database into empty tables of another; prints the wall time of that alone."""
    import psycopg

    copied: dict[str, Sequence[tuple[object, ...]]] = {}
    with psycopg.connect(source) as held, psycopg.connect(url) as empty:
        for table in TABLES:
            rows = held.execute(f"SELECT * FROM {table}").fetchall()
            columns = held.execute(
                "SELECT column_name || ' ' || data_type FROM information_schema.columns "
                f"WHERE table_name = '{table}' ORDER BY ordinal_position"
            ).fetchall()
            key = {"group_members": "directory, group_id, member_id"}.get(table, "directory, id")
            empty.execute(f"CREATE TABLE {table} ({', '.join(c for (c,) in columns)}, PRIMARY KEY ({key}))")
            copied[table] = rows
        empty.commit()
        began = time.perf_counter()
        for table, held_rows in copied.items():
            with empty.cursor().copy(f"COPY {table} FROM STDIN") as copy:
                for row in held_rows:
                    copy.write_row(row)
        empty.commit()
        print(time.perf_counter() - began)


if __name__ == "__main__":
    match sys.argv[1:]:
        case ["run", folder, url, *more]:
            one_run(Path(folder), url, verify=bool(more))
        case ["floor", source, url]:
            floor(source, url)
        case [people]:
            main(int(people))
        case _:
            main()
