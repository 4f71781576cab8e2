"""What planning costs after a rule was edited, with ten attributes of which three are computed.

Run: ``python -m benchmarks.edited_rule [people]``. The company of ``benchmarks.sync`` is delivered to PostgreSQL by the
rules of ``benchmarks.first_sync``. Then each round plans the delivery after two edits: one that changes nobody, and one
that changes everybody. Each case is a process of its own; cases are interleaved, and the median of five rounds is
taken: CPU per person.
"""

from __future__ import annotations

import asyncio
import sys
from functools import partial
from pathlib import Path

from benchmarks import table
from benchmarks.first_sync import RULES
from benchmarks.measure import process, report, rounds
from benchmarks.sync import CONFIG, company

MODULE = "benchmarks.edited_rule"
DELIVERED = 'user.givenName + " " + user.familyName'
EDITS = {
    "nobody": 'user.givenName + (" " + user.familyName)',
    "everybody": 'user.familyName + ", " + user.givenName',
}
LIMIT = 50
"""Microseconds of CPU per person: 20,000 people a second."""


def main(people: int = 100_000) -> None:
    with company(people) as (folder, server):
        url = server.database()
        process("benchmarks.first_sync", "rules", folder, url)
        found = rounds({edit: partial(process, MODULE, edit, folder, url) for edit in EDITS})
    print(f"{people:,} people")
    for edit, cost in found.items():
        work = f"planning after an edited rule that changes {edit}, CPU per person"
        table.add_measure(work, cost.cpu / people * 1e6, "µs", LIMIT)


def plan(folder: Path, url: str, edit: str) -> None:
    """Plan the delivery in this process by the edited rules, and print the cost: as in a daemon, without imports and
    compiling the rules."""
    import psycopg  # noqa: F401 - the target imports it

    from usersyncd import logs, memory
    from usersyncd.config import load
    from usersyncd.deliver.run import deliver
    from usersyncd.job import delivery_jobs, jobs
    from usersyncd.opening import open_state
    from usersyncd.options import RunOptions

    logs.configure("error")
    (folder / "config.yaml").write_text(CONFIG % url + RULES.replace(DELIVERED, EDITS[edit]))
    config = load(folder / "config.yaml")
    job = delivery_jobs(jobs(config).values())["app"]
    database = open_state(config)
    memory.tune()

    def work() -> None:
        run = asyncio.run(deliver(database, config.folder, job, RunOptions(deliver=False)))
        assert run.status == "planned", run
        assert bool(run.targets[0].counts.users.update) is (edit == "everybody"), run

    report(work)


if __name__ == "__main__":
    match sys.argv[1:]:
        case [edit, folder, url]:
            plan(Path(folder), url, edit)
        case [people]:
            main(int(people))
        case _:
            main()
