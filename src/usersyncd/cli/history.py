"""``usersyncd history``: the last runs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from usersyncd.cli.common import ConfigOption, JsonOption, load_config, print_json

if TYPE_CHECKING:
    from usersyncd.state.journal import Report

SHORTEST = 10
"""The minimum number of characters of a run's id. An id begins with the time, so runs of one moment need more."""


def history(
    context: typer.Context,
    config: ConfigOption = None,
    limit: Annotated[int, typer.Option("--limit", metavar="N", min=1, help="The number of runs.")] = 20,
    directory: Annotated[
        str | None,
        typer.Option(
            "--directory",
            metavar="DIR",
            help="Only pulls of this directory, and deliveries of it.",
            show_default=False,
        ),
    ] = None,
    changes: Annotated[bool, typer.Option("--changes", help="Leave out runs that changed nothing.")] = False,
    json: JsonOption = False,
) -> None:
    """Show the last runs, newest first. `usersyncd show RUN` shows one run in full."""
    from usersyncd.cli.documents import run_document
    from usersyncd.cli.runs import check_names
    from usersyncd.cli.saved_state import current_status, saved_state
    from usersyncd.state import journal

    loaded = load_config(context, config)
    with saved_state(loaded) as database:
        runs: list[tuple[str, Report]] = []
        if database is not None:
            with database.read() as connection:
                reports = journal.history(connection, limit, directory, changed=changes)
            runs = [current_status(database, report) for report in reports]
    if directory is not None and not runs:
        check_names(loaded, [directory], loaded.directories)  # A removed directory may still have runs.
    if json:
        print_json([run_document(report) | {"status": status} for status, report in runs])
    else:
        _show(runs, nothing="No run has changed anything yet." if changes else "There was no run yet.")


def _show(runs: list[tuple[str, Report]], nothing: str) -> None:
    from rich.table import Table
    from rich.text import Text

    from usersyncd.cli import text
    from usersyncd.cli.report import STYLES
    from usersyncd.core import summary

    if not runs:
        text.show(Text(nothing))
        return
    table = Table(box=None, padding=(0, 2, 0, 0), pad_edge=False, header_style="dim")
    for name in ("run", "began", "what", "status"):
        table.add_column(name, no_wrap=name != "what", overflow="fold")
    table.add_column("", overflow="fold")
    length = _length([report.run for _, report in runs])
    for status, report in runs:
        table.add_row(
            report.run[:length],
            text.local(report.started),
            _subject(report),
            Text(status, style=STYLES[status]),
            Text(text.clean(summary.line(report)) if report.finished or report.error else ""),
        )
    text.show(table)


def _subject(report: Report) -> str:
    """``pull acme``, ``pull acme (ada)`` for one person, ``deliver app``; the directory alone for a run of an earlier
    release."""
    from usersyncd.core.report import DeliveryRun, PullRun

    if isinstance(report, DeliveryRun):
        return f"deliver {report.target}"
    if isinstance(report, PullRun) and report.person is not None:
        return f"pull {report.directory} ({report.person})"
    return f"pull {report.directory}" if isinstance(report, PullRun) else report.directory


def _length(ids: list[str]) -> int:
    """How many characters the ids need to be different."""
    return next((n for n in range(SHORTEST, 26) if len({id_[:n] for id_ in ids}) == len(ids)), 26)
