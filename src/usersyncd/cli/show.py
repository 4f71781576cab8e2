"""``usersyncd show``: one run in full."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from usersyncd.cli.common import AllOption, ConfigOption, JsonOption, load_config, print_json
from usersyncd.errors import ConfigError, UsersyncError

if TYPE_CHECKING:
    from usersyncd.config import Config
    from usersyncd.core.report import RunReport
    from usersyncd.job import Job
    from usersyncd.state.database import Database


def show(
    context: typer.Context,
    run: Annotated[str, typer.Argument(metavar="RUN", help="The run's id, or the beginning of it if that is unique.")],
    config: ConfigOption = None,
    everything: AllOption = False,
    json: JsonOption = False,
) -> None:
    """Show one run: what was read, every delivered change, and what failed."""
    from usersyncd.cli.changes import EACH
    from usersyncd.cli.documents import FORMAT, list_changes, run_document
    from usersyncd.cli.saved_state import current_status, saved_state

    loaded = load_config(context, config)
    with saved_state(loaded) as database:
        if database is None:
            raise _unknown(run)
        status, report = current_status(database, _find(database, run))
        list_changes(database, report, each=None if json or everything else EACH)
        if not json:
            _show(database, loaded, status, report, everything=everything)
    if json:
        print_json({"format": FORMAT} | run_document(report) | {"status": status})


def _find(database: Database, run: str) -> RunReport:
    from usersyncd.state import journal

    with database.read() as connection:
        found = journal.find(connection, run)
    if not found:
        raise _unknown(run)
    if len(found) > 1:
        several = "\n".join(f"  {report.run}  {report.directory}  {report.started}" for report in found)
        raise UsersyncError(f"several runs begin with {run}, among them\n{several}", "write more of the id")
    return found[0]


def _unknown(run: str) -> UsersyncError:
    return UsersyncError(f"there is no run {run}", "`usersyncd history` lists them; they are kept for 90 days")


def _show(database: Database, config: Config, status: str, report: RunReport, *, everything: bool) -> None:
    from rich.text import Text

    from usersyncd.cli import text
    from usersyncd.cli.names import RecordNames
    from usersyncd.cli.report import show_run

    ended = f", ended {text.local(report.finished)}" if report.finished else ""
    text.show(Text(f"run {report.run}, began {text.local(report.started)}{ended}"))
    show_run(
        report,
        RecordNames(database, report.directory, _job(config, report.directory)),
        everything=everything,
        status=status,
    )


def _job(config: Config, directory: str) -> Job | None:
    """The directory's job, if it still has one. Only the names of records depend on it."""
    from usersyncd.job import jobs

    try:
        return jobs(config).get(directory)
    except ConfigError:
        return None
