"""What a complete re-read costs if nothing changed, and if 1% changed, against draining the source.

Run: ``python -m benchmarks.reread [people]``. The company of ``benchmarks.sync`` is delivered to PostgreSQL once. Then
each round drains the CSV source alone, runs a sync in which nothing changed, and one in which 1% of the people and one
membership of 1% of the groups changed. Each case is a process of its own; cases are interleaved, and the median of five
rounds is taken.
"""

from __future__ import annotations

import asyncio
import shutil
import sys
import tempfile
from pathlib import Path

from benchmarks import table
from benchmarks.measure import Cost, process, report, rounds
from benchmarks.sync import change, write_company

MODULE = "benchmarks.reread"
FILES = ("users.csv", "groups.csv", "members.csv")


def main(people: int = 100_000) -> None:
    from tests.servers.postgres import Postgres

    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        server = Postgres.start(folder / "postgres")
        try:
            found = _measured(folder, server.database(), people)
        finally:
            server.stop()
    print(f"{people:,} people, {people // 20:,} groups, {people * 5:,} memberships")
    same = found["unchanged"]
    table.add("complete re-read, nothing changed, against draining the source", same, floor=found["drain"], limit=2)
    table.add("complete re-read, 1% changed, against nothing changed", found["changed"], floor=same, limit=1.3)


def _measured(folder: Path, url: str, people: int) -> dict[str, Cost]:
    versions = [folder / "before", folder / "after"]
    for version in versions:
        version.mkdir()
        write_company(version, people)
    change(versions[1], people // 100)

    def changed() -> Cost:
        versions.reverse()
        return synced("again")

    def synced(what: str) -> Cost:
        for name in FILES:
            shutil.copyfile(versions[0] / name, folder / name)
        return process("benchmarks.first_sync", what, folder, url)

    synced("first")
    return rounds(
        {"drain": lambda: process(MODULE, "drain", folder), "unchanged": lambda: synced("again"), "changed": changed}
    )


def drain(folder: Path) -> None:
    """Read all pages of the source as a pull does, drop them, and print the cost."""
    import structlog

    from usersyncd import logs, memory
    from usersyncd.config import load
    from usersyncd.job import jobs
    from usersyncd.progress import Progress
    from usersyncd.pull.beginning import source_context
    from usersyncd.state.directories import DirectoryState

    logs.configure("error")
    job = jobs(load(folder / "config.yaml"))["company"]
    never_read = DirectoryState(0, "company", None, None, None, 0, 0, 0, 0)
    memory.tune()

    async def pages() -> None:
        assert job.connector is not None
        async with source_context(folder, job, never_read, Progress(), structlog.get_logger()) as context:
            async for _ in job.connector(job.directory.options, context).pull(None):
                pass

    report(lambda: asyncio.run(pages()))


if __name__ == "__main__":
    match sys.argv[1:]:
        case ["drain", folder]:
            drain(Path(folder))
        case [people]:
            main(int(people))
        case _:
            main()
