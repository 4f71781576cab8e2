"""A progress bar on standard error, if that is a terminal."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from usersyncd.progress import Progress

if TYPE_CHECKING:
    import rich.progress


@contextmanager
def shown_progress(directory: str, *, quiet: bool) -> Iterator[Progress]:
    """Show the progress of a directory's run. The bar disappears at the end. Log lines appear above it."""
    if quiet or not sys.stderr.isatty():
        yield Progress()
        return
    from rich.progress import BarColumn, SpinnerColumn, TextColumn, TimeElapsedColumn
    from rich.progress import Progress as Bars

    from usersyncd.cli.text import console

    columns = (
        SpinnerColumn(),
        TextColumn("{task.description}", markup=False),
        BarColumn(bar_width=24),
        TextColumn("{task.fields[count]}"),
        TimeElapsedColumn(),
    )
    with Bars(*columns, console=console(stderr=True), transient=True) as bars:
        yield Progress(_StepBar(bars, directory).show)


class _StepBar:
    """The progress bar: a new one for each step. It shows a length if the number of items is known."""

    def __init__(self, bars: rich.progress.Progress, directory: str) -> None:
        self._bars = bars
        self._directory = directory
        self._step = "reading"
        self._task = bars.add_task(f"{directory}: reading", total=None, count="")

    def show(self, progress: Progress) -> None:
        if progress.step != self._step:
            self._step = progress.step
            self._bars.remove_task(self._task)
            self._task = self._bars.add_task("", total=progress.total, count="")
        of = f" of {progress.total:,}" if progress.total else ""
        self._bars.update(
            self._task,
            description=f"{self._directory}: {progress.waiting or progress.step}",
            completed=progress.count,
            count=f"{progress.count:,}{of}" if progress.count else "",
        )
