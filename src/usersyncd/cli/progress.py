"""What a person sees on standard error while a run goes on; nothing, where that is no terminal."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from usersyncd.run import Watch

if TYPE_CHECKING:
    from rich.progress import Progress, TaskID

_COUNTED = {"reading", "verifying", "delivering"}


@contextmanager
def shown_progress(directory: str, *, quiet: bool) -> Iterator[Watch]:
    """Show how the run of a directory goes on. It vanishes at the end. Log lines come to stand above it."""
    if quiet or not sys.stderr.isatty():
        yield lambda *_: None
        return
    from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

    from usersyncd.cli.text import console

    columns = (
        SpinnerColumn(),
        TextColumn("{task.description}", markup=False),
        BarColumn(bar_width=24),
        TextColumn("{task.fields[count]}"),
        TimeElapsedColumn(),
    )
    with Progress(*columns, console=console(stderr=True), transient=True) as progress:
        yield _Shown(progress, directory)


class _Shown:
    """Each step has a bar of its own; that of delivering knows how long it is."""

    def __init__(self, progress: Progress, directory: str) -> None:
        self._progress = progress
        self._directory = directory
        self._step = ""
        self._count = 0
        self._planned: int | None = None
        self._task: TaskID = progress.add_task(f"{directory}: reading", total=None, count="")

    def __call__(self, step: str, more: int) -> None:
        if step == "planned":
            self._planned = more
            return
        if step.startswith("waiting"):
            self._progress.update(self._task, description=f"{self._directory}: {step}")
            return
        self._progress.update(self._task, description=f"{self._directory}: {step}")
        if step != self._step:
            self._step, self._count = step, 0
            self._progress.remove_task(self._task)
            total = self._planned if step == "delivering" else None
            self._task = self._progress.add_task(f"{self._directory}: {step}", total=total, count="")
        if step in _COUNTED:
            self._count += more
            of = f" of {self._planned:,}" if step == "delivering" and self._planned else ""
            self._progress.update(self._task, advance=more, count=f"{self._count:,}{of}")
