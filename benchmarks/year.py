"""How the state grows in a year in which 1% of the people change every day.

Run: ``python -m benchmarks.year [people]``. A directory of 10,000 people, 500 groups and about 55,000 memberships is
synchronised once, and then 365 times, each time with another title of 1% of the people and other members of 1% of the
groups. The clock of the runs goes on by a day each time, so the history is pruned as it is after 90 days. Sizes are
shown for 100,000 people: of the SQLite file, and of its write-ahead log at its largest. SQLite deletes the log when the
last connection is closed, at the end of a run.
"""

from __future__ import annotations

import sys
import tempfile
import threading
import time
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path

from benchmarks import table
from benchmarks.changes import Measured

from usersyncd import logs, recording

DAYS = 365
SHOWN = (1, 30, 90, 120, 180, 270, DAYS)


def main(people: int = 10_000) -> None:
    logs.configure("error")
    today = datetime(2026, 1, 1, 4, tzinfo=UTC)
    recording.now = lambda: today
    with tempfile.TemporaryDirectory() as name:
        measured = Measured(Path(name) / "year", people, groups=False)
        measured.run(measured.company.whole(), complete=True)
        per_100_000 = 100_000 / people / 1_000_000
        log = Watched(measured.file.with_name(f"{measured.file.name}-wal"))
        log.start()
        print(f"{people:,} people; megabytes for 100,000 people\n{'day':>5}{'state':>10}{'largest WAL':>15}")
        for day in range(1, DAYS + 1):
            today += timedelta(days=1)
            measured.run(measured.company.one_percent(day))
            size = measured.file.stat().st_size
            if day in SHOWN:
                print(f"{day:5}{size * per_100_000:10.0f}{log.largest * per_100_000:15.0f}", flush=True)
            if day == 120:
                bounded = size
    table.add_measure("state after a year of daily 1%, of 100,000 people", size * per_100_000, "MB")
    table.add_measure("the same, in sizes of day 120", size / bounded, "×", 1.1)
    table.add_measure("its write-ahead log at its largest, in a day with 1% changed", log.largest * per_100_000, "MB")


class Watched(threading.Thread):
    """Notes the largest size of a file that appears and disappears."""

    def __init__(self, file: Path) -> None:
        super().__init__(daemon=True)
        self.largest = 0
        self._file = file

    def run(self) -> None:
        while True:
            with suppress(FileNotFoundError):
                self.largest = max(self.largest, self._file.stat().st_size)
            time.sleep(0.005)


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
