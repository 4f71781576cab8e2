"""``usersyncd plan``: show what a sync would change."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated

import typer

from usersyncd.cli.adopt import AdoptOption
from usersyncd.cli.common import (
    AllOption,
    CompleteOption,
    ConfigOption,
    DirectoriesArgument,
    JsonOption,
    QuietOption,
    TargetOption,
    VerboseOption,
    VerifyOption,
    print_json,
)

if TYPE_CHECKING:
    from usersyncd.core.report import RunReport

WAITING = 4


def plan(
    context: typer.Context,
    directories: DirectoriesArgument = None,
    config: ConfigOption = None,
    target: TargetOption = None,
    complete: CompleteOption = False,
    verify: VerifyOption = False,
    adopt: AdoptOption = None,
    everything: AllOption = False,
    json: JsonOption = False,
    quiet: QuietOption = False,
    verbose: VerboseOption = False,
    exit_code: Annotated[
        bool, typer.Option("--exit-code", help=f"Exit with {WAITING} if changes are waiting.")
    ] = False,
) -> None:
    """Read the directories and show what a sync would change. Changes no target.

    Exit codes: 0 planned, 1 a directory or target could not be planned, 3 a guard would hold the plan.
    """
    from usersyncd.cli.documents import runs_document
    from usersyncd.cli.report import is_well, show_run
    from usersyncd.cli.runs import opened
    from usersyncd.core.listed_changes import ListedChanges
    from usersyncd.options import RunOptions

    reports = []
    with opened(
        context, config, directories, adopt, json=json, target=target, verify=verify, quiet=quiet, verbose=verbose
    ) as runs:
        options = RunOptions(
            deliver=False,
            complete=complete,
            changes=ListedChanges.ALL if json or everything else ListedChanges.FIRST,
            log=json or not sys.stdout.isatty(),
            adopt=runs.adopt,
            verify=verify,
        )
        for report, names in runs.run(options):
            reports.append(report)
            if not json and not (quiet and is_well(report)):
                show_run(report, names, everything=everything)
        if json:
            print_json(runs_document(reports))
        runs.check_adopted_ids()
    if code := _code(reports, waiting=WAITING if exit_code else 0):
        raise typer.Exit(code)


def _code(reports: Sequence[RunReport], *, waiting: int) -> int:
    targets = [target for report in reports for target in report.targets]
    if any(report.status == "failed" for report in reports):
        return 1
    if any(target.held for target in targets):
        return 3
    return waiting if any(target.planned.total for target in targets) else 0
