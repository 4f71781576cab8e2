"""What ``usersyncd run`` shows at a terminal: what each run did, and below it one line that says what happens now."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta

from msgspec import Struct
from rich.console import Group, RenderableType
from rich.live import Live
from rich.spinner import Spinner
from rich.table import Table
from rich.text import Text

from usersyncd.cli.change_lines import change_lines
from usersyncd.cli.names import RecordNames
from usersyncd.cli.text import console
from usersyncd.config import Config
from usersyncd.core import summary
from usersyncd.core.report import RunReport, Status
from usersyncd.daemon import Daemon
from usersyncd.errors import StateError
from usersyncd.job import Job
from usersyncd.run import voice
from usersyncd.state.database import Database

FEW = 8
"""Up to so many changes of a run are shown one by one."""
NOTHING = "nothing has changed"


class _LastRun(Struct):
    """What was shown last of a directory: the text, the status since when, and how many runs had this text."""

    text: str
    status: Status
    since: str
    runs: int = 1


class Screen:
    """The terminal. A run whose text is the same as that of the run before is only counted."""

    def __init__(self, database: Database) -> None:
        self._console = console(stderr=True)
        self._database = database
        self._daemon: Daemon | None = None
        self._counts: dict[str, tuple[int, int, int]] = {}
        self._last: dict[str, _LastRun] = {}

    def welcome(self, config: Config, jobs: dict[str, Job]) -> None:
        """Show which directories and targets will run."""
        table = Table(box=None, padding=(0, 3, 0, 0), header_style="dim", pad_edge=False)
        for heading in ("directory", "connector", "every", "targets"):
            table.add_column(heading)
        for name, job in jobs.items():
            targets = ", ".join(f"{one.target.name} ({one.target.connector})" for one in job.deliveries)
            directory = job.directory
            table.add_row(
                Text(name, style="bold"), directory.connector, every(directory.every), targets or Text("none", "yellow")
            )
        title = Text.assemble(("usersyncd", "bold"), f" runs {config.file}. Ctrl-C ends it.")
        self._console.print(Group(Text(), title, Text(), table, Text()))

    @contextmanager
    def watch(self, daemon: Daemon) -> Iterator[None]:
        """Show what the daemon does until this ends."""
        self._daemon = daemon
        spinner = Spinner("dots")
        live = Live(
            get_renderable=lambda: self._current(daemon, spinner),
            console=self._console,
            refresh_per_second=5,
            transient=True,
        )
        with live:
            self._console.show_cursor(True)  # It would stay hidden when the process is killed.
            yield

    def show(self, report: RunReport) -> None:
        """Show what a run did."""
        text = "\n".join(self._lines(report)) or NOTHING
        last = self._last.get(report.directory)
        if last is not None and last.text == text and not any(one.counts.total for one in report.targets):
            last.runs += 1
            return
        goes_on = last is not None and last.status == report.status and (text == NOTHING or last.status != "succeeded")
        since = last.since if last is not None and goes_on else time.strftime("%H:%M:%S")
        self._last[report.directory] = _LastRun(text, report.status, since)
        voice(report)(text)

    def _lines(self, report: RunReport) -> Iterator[str]:
        yield from self._pull(report)
        yield from self._changes(report)
        yield from self._faults(report)

    def _pull(self, report: RunReport) -> Iterator[str]:
        """How much was read, if the counts are not those of the last run."""
        if (pull := report.pull) is None:
            return
        numbers = pull.users, pull.groups, pull.memberships
        if self._counts.get(report.directory) != numbers:
            self._counts[report.directory] = numbers
            yield summary.read(pull)

    def _changes(self, report: RunReport) -> Iterator[str]:
        for one in report.targets:
            if total := one.counts.total:
                yield f"{one.target}: {summary.changed(one.counts)}"
                if total <= FEW:
                    yield from (f"  {line}" for line in self._subjects(report, one.target))

    def _faults(self, report: RunReport) -> Iterator[str]:
        for one in report.targets:
            if one.held:
                yield f"{one.target}: {summary.target(one)}"
                yield f"  → `usersyncd plan {report.directory}` shows the plan"
        yield from (f"failed: {fault}" for fault in summary.faults(report))

    def _subjects(self, report: RunReport, target: str) -> list[str]:
        job = self._daemon.jobs.get(report.directory) if self._daemon else None
        try:
            return change_lines(self._database, RecordNames(self._database, report.directory, job), report.run, target)
        except StateError:
            return []  # The run itself is shown; the changes are in the journal.

    def _since(self) -> list[str]:
        """Since when something is wrong; or, if nothing is, since when nothing has changed."""
        wrong = [(name, one) for name, one in self._last.items() if one.status != "succeeded"]
        if wrong:
            return [f"{name} {one.status} since {one.since} ({summary.many(one.runs, 'run')})" for name, one in wrong]
        if not self._last or any(one.text != NOTHING for one in self._last.values()):
            return []
        runs = summary.many(sum(one.runs for one in self._last.values()), "run")
        return [f"{NOTHING} since {max(one.since for one in self._last.values())} ({runs})"]

    def _current(self, daemon: Daemon, spinner: Spinner) -> RenderableType:
        """What happens now. Rich asks for it in a separate thread."""
        if current := daemon.activity.current():
            spinner.update(text=Text(", ".join(current), style="dim", no_wrap=True, overflow="ellipsis"))
            return spinner
        parts = self._since()
        if waiting := daemon.next_runs():
            when, name = waiting[0]
            parts.append(f"next: {name} in {every(max(when - datetime.now(UTC), timedelta(0)))}")
        return Text("  " + " · ".join(parts), style="dim", no_wrap=True, overflow="ellipsis")


def every(interval: timedelta) -> str:
    """``15 s``, ``10 min``, ``1 h 30 min``."""
    seconds = round(interval.total_seconds())
    parts = (seconds // 86400, "d"), (seconds // 3600 % 24, "h"), (seconds // 60 % 60, "min"), (seconds % 60, "s")
    return " ".join(f"{number} {unit}" for number, unit in parts if number) or "0 s"
