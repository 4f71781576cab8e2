"""What a first sync costs with the state on PostgreSQL, against the state on SQLite.

Run: ``python -m benchmarks.state [people]``. The company of ``benchmarks.first_sync`` is delivered into an empty
PostgreSQL database. With the state on PostgreSQL, state and target are two databases of one server. Each case is a
process of its own; cases are interleaved, and the median of the rounds is taken. CPU is that of usersyncd alone.
"""

from __future__ import annotations

import sys
from pathlib import Path

from benchmarks import table
from benchmarks.first_sync import sync
from benchmarks.measure import process, rounds
from benchmarks.sync import company

MODULE = "benchmarks.state"


def main(people: int = 100_000) -> None:
    with company(people) as (folder, server):
        found = rounds(
            {
                "SQLite": lambda: process(MODULE, folder, server.database(), "sqlite:///state.db"),
                "PostgreSQL": lambda: process(MODULE, folder, server.database(), server.database()),
            }
        )
    ours, floor = found["PostgreSQL"], found["SQLite"]
    table.add(f"first sync of {people:,}, state on PostgreSQL, against SQLite", ours, floor=floor, limit=1.5)


if __name__ == "__main__":
    match sys.argv[1:]:
        case [folder, url, state]:
            sync(Path(folder), url, state=state)
        case [people]:
            main(int(people))
        case _:
            main()
