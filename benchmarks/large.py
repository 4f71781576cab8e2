"""Whether time and memory follow the number of people: a first sync of 1,000,000, and a group of 200,000 members.

Run: ``python -m benchmarks.large [people]``. The company of ``benchmarks.first_sync`` is delivered twice, with 100,000
and with 1,000,000 people and 5,000,000 memberships; then it gets one group with a fifth of the people, and everything
is read again. Each is measured once. Takes about ten minutes, so ``make bench`` runs it only by its name.
"""

from __future__ import annotations

import csv
import sys
import tempfile
from pathlib import Path

from benchmarks import table
from benchmarks.first_sync import MODULE
from benchmarks.measure import Cost, process
from benchmarks.sync import write_company


def main(people: int = 1_000_000) -> None:
    from tests.servers.postgres import Postgres

    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        server = Postgres.start(folder / "postgres")
        try:
            write_company(folder, people // 10)
            smaller = process(MODULE, "first", folder, server.database())
            write_company(folder, people)
            url = server.database()
            whole = process(MODULE, "first", folder, url)
            _add_group(folder, people // 5)
            group = process(MODULE, "again", folder, url)
        finally:
            server.stop()
    ten = Cost(smaller.wall * 10, smaller.cpu * 10, smaller.megabytes)
    table.add(f"first sync of {people:,}, against ten of {people // 10:,}", whole, floor=ten, limit=1.15)
    table.add_measure(f"memory of a first sync of {people:,}", whole.megabytes, "MB", 400)
    table.add_measure(f"memory of a sync with a new group of {people // 5:,}", group.megabytes, "MB", 400)


def _add_group(folder: Path, members: int) -> None:
    with (folder / "users.csv").open(newline="") as file:
        reader = csv.reader(file)
        next(reader)
        ids = [row[0] for row, _ in zip(reader, range(members), strict=False)]
    with (folder / "groups.csv").open("a", newline="") as file:
        csv.writer(file).writerow(("large", "large", "a fifth of all people"))
    with (folder / "members.csv").open("a", newline="") as file:
        csv.writer(file).writerows(("large", each) for each in ids)


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
