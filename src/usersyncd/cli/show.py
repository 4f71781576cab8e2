"""``usersyncd show``: one run in full."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from usersyncd.cli.common import AllOption, ConfigOption, JsonOption, load_config, print_json
from usersyncd.errors import UsersyncError

if TYPE_CHECKING:
    from usersyncd.cli.names import RecordNames
    from usersyncd.config import Config
    from usersyncd.core.report import DeliveryRun, PullRun, RunReport
    from usersyncd.state.database import Database
    from usersyncd.state.journal import Report


def show(
    context: typer.Context,
    run: Annotated[str, typer.Argument(metavar="RUN", help="The run's id, or a unique beginning of it.")],
    config: ConfigOption = None,
    everything: AllOption = False,
    json: JsonOption = False,
) -> None:
    """Show one run: what was read, every delivered change, and what failed."""
    from usersyncd.cli.documents import FORMAT, list_changes, run_document
    from usersyncd.cli.saved_state import RUNNING, current_status, saved_state
    from usersyncd.core.listed_changes import ListedChanges
    from usersyncd.core.report import PullRun

    loaded = load_config(context, config)
    with saved_state(loaded) as database:
        if database is None:
            raise _unknown(run)
        status, report = current_status(database, _find(database, run))
        if isinstance(report, PullRun):
            report = _with_deliveries(database, report)
            status = status if status == RUNNING else report.status
        list_changes(database, report, ListedChanges.ALL if json or everything else ListedChanges.FIRST)
        if not json:
            _show(database, loaded, status, report, everything=everything)
    if json:
        print_json({"format": FORMAT} | run_document(report) | {"status": status})


def _find(database: Database, run: str) -> Report:
    from usersyncd.state import journal

    with database.read() as connection:
        found = journal.find(connection, run)
    if not found:
        raise _unknown(run)
    if len(found) > 1:
        several = "\n".join(f"  {report.run}  {journal.subject(report)}  {report.started}" for report in found)
        raise UsersyncError(f"several runs have an id that begins with {run}:\n{several}", "give more of the id")
    return found[0]


def _with_deliveries(database: Database, pull: PullRun) -> RunReport:
    """The pull and its shares of the deliveries that followed from it."""
    from usersyncd.core.composing import composed
    from usersyncd.state import journal

    with database.read() as connection:
        deliveries = journal.deliveries_after(connection, pull.run)
    return composed(pull.directory, pull.connector, pull, deliveries, started=pull.started, delivered=True)


def _unknown(run: str) -> UsersyncError:
    return UsersyncError(f"there is no run {run}", "`usersyncd history` lists the runs of the last 90 days")


def _show(
    database: Database, config: Config, status: str, report: DeliveryRun | RunReport, *, everything: bool
) -> None:
    from rich.text import Text

    from usersyncd.cli import text
    from usersyncd.cli.names import names_of
    from usersyncd.cli.report import show_delivery, show_run
    from usersyncd.core.report import DeliveryRun

    def names(directory: str) -> RecordNames:
        return names_of(database, config, directory)

    ended = f", ended {text.local(report.finished)}" if report.finished else ""
    text.show(Text(f"run {report.run}, began {text.local(report.started)}{ended}"))
    if isinstance(report, DeliveryRun):
        show_delivery(report, names, everything=everything, status=status)
        return
    show_run(report, names(report.directory), everything=everything, status=status)
