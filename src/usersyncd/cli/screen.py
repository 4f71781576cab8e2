"""The output of ``usersyncd run`` at a terminal: what each run did, and a last line with what happens now."""

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
from usersyncd.cli.names import RecordNames, rules_of
from usersyncd.cli.text import console
from usersyncd.core import summary
from usersyncd.core.report import DeliveryRun, PullRun, Status
from usersyncd.daemon import Daemon, Loaded
from usersyncd.daemon.engine import WorkItem, deliver_to, pull_of
from usersyncd.errors import StateError
from usersyncd.recording import level_of
from usersyncd.state.database import Database
from usersyncd.words import many

FEW = 8
"""A run with at most this many changes shows each of them."""
NOTHING = "nothing has changed"


class _LastRun(Struct):
    """What was last shown of a directory or target: the text, the status, since when (local time) that status lasts,
    and how many runs had this text."""

    text: str
    status: Status
    since: str
    runs: int = 1


class Screen:
    """Shows the runs of the daemon. A run with the same text as the run before is only counted."""

    def __init__(self, database: Database) -> None:
        self._console = console(stderr=True)
        self._database = database
        self._daemon: Daemon | None = None
        self._counts: dict[str, tuple[int, int, int]] = {}
        self._last: dict[WorkItem, _LastRun] = {}

    def welcome(self, loaded: Loaded) -> None:
        """Show which directories and targets will run."""
        table = Table(box=None, padding=(0, 3, 0, 0), header_style="dim", pad_edge=False)
        for heading in ("directory", "connector", "every", "targets"):
            table.add_column(heading)
        for name, pull in loaded.pulls.items():
            targets = ", ".join(f"{one.target.name} ({one.target.connector})" for one in pull.targets)
            directory = pull.directory
            table.add_row(
                Text(name, style="bold"), directory.connector, every(directory.every), targets or Text("none", "yellow")
            )
        title = Text.assemble(("usersyncd", "bold"), f" runs {loaded.config.file}. Ctrl-C stops it.")
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

    def show(self, report: PullRun | DeliveryRun) -> None:
        """Show what a run did."""
        if isinstance(report, PullRun):
            item, lines, changed = pull_of(report.directory), self._pull(report), False
        else:
            item, lines = deliver_to(report.target), self._delivery(report)
            changed = any(one.counts.total for one in report.targets)
        text = "\n".join([*lines, *(f"failed: {fault}" for fault in summary.faults(report))]) or NOTHING
        last = self._last.get(item)
        if last is not None and last.text == text and not changed:
            last.runs += 1
            return
        goes_on = last is not None and last.status == report.status and (text == NOTHING or last.status != "succeeded")
        since = last.since if last is not None and goes_on else time.strftime("%H:%M:%S")
        self._last[item] = _LastRun(text, report.status, since)
        level_of(report)(text)

    def _pull(self, report: PullRun) -> Iterator[str]:
        """The counts of a pull, if they differ from those of the pull before."""
        if (pull := report.pull) is None:
            return
        numbers = pull.users, pull.groups, pull.memberships
        if self._counts.get(report.directory) != numbers:
            self._counts[report.directory] = numbers
            yield summary.read(pull)

    def _delivery(self, report: DeliveryRun) -> Iterator[str]:
        for share in report.targets:
            if total := share.counts.total:
                yield f"{share.directory}: {summary.changed(share.counts)}"
                if total <= FEW:
                    yield from (f"  {line}" for line in self._changes(report, share.directory))
            if share.held:
                yield f"{share.directory}: {summary.target(share)}"
                yield f"  → `usersyncd plan {share.directory}` shows the plan"

    def _changes(self, report: DeliveryRun, directory: str) -> list[str]:
        pull = self._daemon.loaded.pulls.get(directory) if self._daemon else None
        try:
            names = RecordNames(self._database, directory, rules_of(pull, self._database, directory))
            return change_lines(self._database, names, report.run, report.target)
        except StateError:
            return []  # The run itself is shown; the changes are in the journal.

    def _since(self) -> list[str]:
        """Since when each failing item fails; if none fails, since when nothing has changed."""
        wrong = [(item.name, one) for item, one in self._last.items() if one.status != "succeeded"]
        if wrong:
            return [f"{name} {one.status} since {one.since} ({many(one.runs, 'run')})" for name, one in wrong]
        if not self._last or any(one.text != NOTHING for one in self._last.values()):
            return []
        pulls = sum(one.runs for item, one in self._last.items() if item.kind == "pull")
        since = max(one.since for one in self._last.values())
        return [f"{NOTHING} since {since} ({many(pulls, 'pull')})"]

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
