"""The JSON documents about runs. docs/json.md promises their fields."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from msgspec import structs

from usersyncd.cli.common import StreamedList
from usersyncd.core.error_documents import error_document, failed_document, parts
from usersyncd.core.listed_changes import ListedChanges, listed
from usersyncd.core.packed_changes import PackedChanges
from usersyncd.core.plan import Hash
from usersyncd.core.report import DeliveryRun, PullRun, RunReport, TargetReport, targets_of
from usersyncd.plugin import Change, Kind, Op
from usersyncd.state import journal
from usersyncd.state.database import Database
from usersyncd.state.journal import Entry, Report

FORMAT = 1


def runs_document(reports: Sequence[RunReport]) -> dict[str, Any]:
    """``plan --json`` and ``sync --json``."""
    return {"format": FORMAT, "plan": _plan(reports), "directories": [run_document(report) for report in reports]}


def run_document(report: Report) -> dict[str, Any]:
    """One run. A share has ``changes`` only if its report lists them."""
    document = structs.asdict(report) | {"run": report.run or None} | error_document(report)
    document["kind"] = _KINDS[type(report)]
    document["targets"] = [_target_document(target) for target in targets_of(report)]
    return document


_KINDS = {PullRun: "pull", DeliveryRun: "delivery", RunReport: "run"}


def _target_document(target: TargetReport) -> dict[str, Any]:
    document = structs.asdict(target) | parts(target.error)
    document["failed"] = [failed_document(failed) for failed in target.failed]
    changes = document.pop("changes")
    return document if changes is None else document | {"changes": StreamedList(changes)}


def list_changes(database: Database, report: DeliveryRun | RunReport, which: ListedChanges) -> None:
    """Load the changes of a run from the journal into its report."""
    runs = dict.fromkeys(target.run or report.run for target in report.targets)
    with database.read() as connection:
        entries = [entry for run in runs for entry in journal.entries(connection, run)]
    for target in report.targets:
        mine = (entry for entry in entries if (entry.target, entry.directory) == (target.target, target.directory))
        target.changes = PackedChanges(_change(entry) for entry in listed(mine, which))


def _change(entry: Entry) -> Change:
    """A journal entry in the form of a planned change."""
    return Change(
        Op(entry.op), Kind(entry.kind), entry.directory, entry.id, entry.key, entry.before, entry.after,
        tuple(entry.members),
    )  # fmt: skip


def _plan(reports: Sequence[RunReport]) -> str | None:
    """The hash of all plans together; None if no directory has a plan."""
    planned = sorted((report.directory, report.plan) for report in reports if report.plan is not None)
    if not planned:
        return None
    together = Hash()
    for directory, plan in planned:
        together.add(f"{directory} {plan}\n".encode())
    return str(together)
