"""``usersyncd sync``: run each directory once, now."""

from __future__ import annotations

import sys
from typing import Annotated

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


def sync(
    context: typer.Context,
    directories: DirectoriesArgument = None,
    config: ConfigOption = None,
    target: TargetOption = None,
    complete: CompleteOption = False,
    verify: VerifyOption = False,
    adopt: AdoptOption = None,
    changes: Annotated[bool, typer.Option("--changes", help="Also show each change.")] = False,
    everything: AllOption = False,
    json: JsonOption = False,
    quiet: QuietOption = False,
    verbose: VerboseOption = False,
) -> None:
    """Read the directories and deliver the changes to their targets, now.

    Exit codes: 0 succeeded, 1 a directory, a target or a record failed, 3 a guard holds a plan.
    """
    from usersyncd.cli.documents import list_changes, runs_document
    from usersyncd.cli.report import is_well, show_run
    from usersyncd.cli.runs import opened
    from usersyncd.core.listed_changes import ListedChanges
    from usersyncd.options import RunOptions

    reports = []
    with opened(
        context, config, directories, adopt, json=json, target=target, verify=verify, quiet=quiet,
        verbose=verbose,
    ) as runs:  # fmt: skip
        options = RunOptions(
            complete=complete,
            log=json or not sys.stdout.isatty(),
            adopt=runs.adopt,
            verify=verify,
        )
        for report, names in runs.run(options):
            reports.append(report)
            if changes:
                list_changes(runs.database, report, ListedChanges.ALL if json or everything else ListedChanges.FIRST)
            if not json and not (quiet and is_well(report)):
                show_run(report, names, everything=everything)
        if json:
            print_json(runs_document(reports))
        runs.check_adopted_ids()
    statuses = {report.status for report in reports}
    code = 1 if statuses & {"failed", "partial"} else 3 if "held" in statuses else 0
    if code:
        raise typer.Exit(code)
