"""The report of one run, as text for a person."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import groupby

from msgspec import structs
from rich.console import RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from usersyncd.cli.changes import describe
from usersyncd.cli.leaving import former_name
from usersyncd.cli.names import RecordNames
from usersyncd.cli.text import BLANK, clean, error, hanging, show
from usersyncd.cli.upcoming import describe_upcoming
from usersyncd.core.approvals import command
from usersyncd.core.report import Counts, DeliveryRun, Failed, RunReport, Skipped, TargetReport
from usersyncd.core.summary import verified
from usersyncd.plugin import Kind
from usersyncd.words import many

RECORDS_SHOWN = 10
"""How many records that failed or were left out are named without ``--all``."""
STYLES = {
    "planned": "cyan", "succeeded": "green", "running": "cyan", "partial": "yellow", "held": "bold yellow",
    "failed": "bold red",
}  # fmt: skip

EXPECTED = (
    "If this is not expected, fix the directory or the rules; the next run makes a new plan. If it is, approve it"
)
MISSING = "Were these objects deleted on purpose? Or is this another target, or an old copy of the target?"
_OPS = ("create", "adopt", "update", "deactivate", "reactivate", "delete", "add", "remove")
_HARM = {"deactivate", "delete", "remove"}


def show_run(report: RunReport, names: RecordNames, *, everything: bool, status: str | None = None) -> None:
    """Print a run: what was read and, for each target, what is planned or was done, with the changes in the report.

    ``status`` replaces the report's own status.
    """
    would = report.status == "planned"
    show(Text.assemble((report.directory, "bold"), _connector(report), _verdict(report, status or report.status)))
    show(*_reading(report, names, everything=everything), indent=2)
    for target in report.targets:
        show(BLANK)
        heading = f"target {target.target}"
        if target.leaving:
            heading += f", which does not list {report.directory}"
        show(*_target(report, target, names, heading, everything=everything), indent=2)
        if target.changes:
            show(BLANK)
            counts = target.planned if would else target.counts
            show(*describe(target.changes, counts, names, would=would, everything=everything), indent=4)
    show(BLANK)


def show_delivery(report: DeliveryRun, names: Callable[[str], RecordNames], *, everything: bool, status: str) -> None:
    """A delivery with its share of each directory. ``names``: those of a directory's records."""
    show(Text.assemble((report.target, "bold"), f" ({report.connector})  ", Text(status, style=STYLES[status])))
    if report.error is not None:
        show(error(report.error), indent=2)
    for share in report.targets:
        part = RunReport(share.directory, "", report.run, report.status, report.started, targets=[share])
        known = names(share.directory)
        show(BLANK)
        heading = f"directory {share.directory}" + (", which leaves" if share.leaving else "")
        show(*_target(part, share, known, heading, everything=everything), indent=2)
        if share.changes:
            show(BLANK)
            show(*describe(share.changes, share.counts, known, would=False, everything=everything), indent=4)
    show(BLANK)


def is_well(report: RunReport) -> bool:
    """Whether nothing needs attention: no part failed, and no plan is held or would be."""
    failures = report.failures + sum(target.failures for target in report.targets)
    return report.status in ("planned", "succeeded") and not failures and not any(t.held for t in report.targets)


def _connector(report: RunReport) -> str:
    """The connector in brackets. For a removed directory, it is the one that read it last."""
    return f" ({report.connector})  " if report.connector else "  "


def _verdict(report: RunReport, status: str) -> Text:
    if status == "planned" and any(target.held for target in report.targets):
        return Text("planned, and would be held", style=STYLES["held"])
    return Text(status, style=STYLES[status])


def _reading(report: RunReport, names: RecordNames, *, everything: bool) -> Iterator[RenderableType]:
    if (pull := report.pull) is not None:
        how = "read" if pull.complete else "read what changed; now"
        counts = f"{many(pull.users, 'user')}, {many(pull.groups, 'group')}, {many(pull.memberships, 'membership')}"
        yield Text(f"{how} {counts} in {pull.seconds:.1f} s")
        if unclear := pull.unresolved + pull.ambiguous:
            also = ", or ambiguous" if pull.ambiguous else ""
            yield Text(f"{many(unclear, 'member')} of groups not found in the directory{also}:", style="yellow")
            yield from _each(report.skipped, unclear, names, everything=everything)
    if report.failures:
        yield Text(f"{many(report.failures, 'record')} could not be read and stay as they were:", style="red")
        yield from _each(report.failed, report.failures, names, everything=everything)
    if report.error is not None:
        yield error(report.error)


def _target(
    report: RunReport, target: TargetReport, names: RecordNames, title: str, *, everything: bool
) -> Iterator[RenderableType]:
    planned = report.status == "planned"
    counts = target.planned if target.held or planned else target.counts
    heading = Text(title, style="bold")
    if target.error is not None:
        yield heading.append(": failed", style="bold red")
    elif target.held:
        yield heading.append(": would be held" if planned else ": held, nothing was delivered", style="bold yellow")
    elif target.plan is None:
        yield heading.append(": not reached", style="not bold yellow")
    elif not counts.total and target.failures:
        yield heading.append(": nothing was changed" if not planned else ": nothing would change", style="not bold")
    elif not counts.total:
        yield heading.append(": nothing to change", style="not bold")
    else:
        yield heading.append(": would change" if planned else ": changed", style="not bold")
    for note in target.notes:
        yield hanging("  ", Text(note, style="yellow"))
    if target.error is not None:
        yield error(target.error.removeprefix(f"target {target.target}: "))
    if target.verified is not None:
        yield Text(verified(target.verified))
    if counts.total:
        yield _table(counts)
    if target.held:
        yield from _guard(report.directory, target)
    elif planned and counts.total and target.leaving and report.pull is None:
        yield hanging("  → ", former_name(report.directory))
    yield from _decided(target)
    if target.upcoming is not None:
        yield from describe_upcoming(target.upcoming)
    if target.failures:
        yield Text(f"{many(target.failures, 'record')} failed, and will be tried again:", style="red")
        yield from _each(target.failed, target.failures, names, everything=everything)
    if target.skipped:
        yield from _left_out(target.skipped, names, everything=everything)


def _table(counts: Counts) -> Table:
    adopts = counts.users.adopt + counts.groups.adopt > 0
    ops = _OPS if adopts else [op for op in _OPS if op != "adopt"]
    table = Table(box=None, padding=(0, 1 if adopts else 2, 0, 0), pad_edge=False, header_style="dim")
    table.add_column()
    for op in ops:
        table.add_column(op, justify="right")
    for word, part in (("users", counts.users), ("groups", counts.groups), ("memberships", counts.memberships)):
        numbers = structs.asdict(part)
        table.add_row(word, *(_number(op, numbers.get(op)) for op in ops))
    return table


def _number(op: str, number: int | None) -> Text:
    if not number:
        return Text("" if number is None else "0", style="dim")
    return Text(f"{number:,}", style="red" if op in _HARM else "")


def _limits(target: TargetReport) -> Iterator[RenderableType]:
    for limit in target.guard:
        yield Text(clean(f"{limit.limit}: {limit.found}, allowed {limit.allowed}"), style="yellow")


def _guard(directory: str, target: TargetReport) -> Iterator[RenderableType]:
    yield from _limits(target)
    if any(limit.limit == "missing" for limit in target.guard):
        yield hanging("  → ", MISSING)
    if target.leaving:
        yield hanging("  → ", _leaves(directory, target.target))
    elif any(limit.limit == "first_delivery" for limit in target.guard):
        yield hanging("  → ", "The first delivery is held until it is approved.")
    if target.harm is None:
        yield hanging("  → ", f"{EXPECTED}.")  # A run of an earlier release.
    else:
        yield hanging("  → ", f"{EXPECTED}:")
        yield hanging("    ", command(target.harm))


def _decided(target: TargetReport) -> Iterator[RenderableType]:
    """How many changes of the plan were approved and rejected."""
    for one in target.approved if not target.held else ():
        why = f": {one.reason}" if one.reason else ""
        yield Text(clean(f"{many(one.changes, 'change')} approved by {one.by}{why}"), style="yellow")
    if target.rejected:
        yield Text(f"{many(target.rejected, 'change')} left out because they were rejected", style="yellow")


def _leaves(directory: str, target: str) -> str:
    return (
        f"Does {directory} leave {target}? If not, put it back into the file: under `directories`, and under "
        f"targets.{target}.directories. If it has another name now, write `was: {directory}` there."
    )


def _each(
    some: Sequence[Skipped | Failed], total: int, names: RecordNames, *, everything: bool
) -> Iterator[RenderableType]:
    """Name records, each with its own reason."""
    shown = some if everything else some[:RECORDS_SHOWN]
    _load_names(shown, names)
    for one in shown:
        reason = one.error if isinstance(one, Failed) else one.reason
        fault, _, remedy = reason.partition("\n")
        yield _item(f"{one.kind} {names.full(one.kind, one.id)}: {clean(fault)}{f' ({one.at})' if one.at else ''}")
        if remedy:
            yield Padding(error(remedy), (0, 0, 0, 2), expand=False)
    yield from _more(total - len(shown), everything=everything)


def _left_out(skipped: list[Skipped], names: RecordNames, *, everything: bool) -> Iterator[RenderableType]:
    """Name records, grouped by reason."""
    by_reason = sorted(skipped, key=lambda one: (one.reason, one.at or "", one.kind))
    for (reason, at), group in groupby(by_reason, key=lambda one: (one.reason, one.at)):
        some = list(group)
        yield Text(f"{clean(reason)}{f' ({at})' if at else ''}:")
        shown = some if everything else some[:RECORDS_SHOWN]
        _load_names(shown, names)
        for one in shown:
            yield _item(f"{one.kind} {names.full(one.kind, one.id)}")
        yield from _more(len(some) - len(shown), everything=everything)


def _load_names(some: Iterable[Skipped | Failed], names: RecordNames) -> None:
    for kind in Kind:
        names.load(kind, (one.id for one in some if one.kind is kind))


def _item(text: str) -> RenderableType:
    return hanging("  ", text)


def _more(number: int, *, everything: bool) -> Iterator[RenderableType]:
    if number > 0:
        yield Text(f"  … and {number:,} more{'' if everything else ' (--all names them)'}", style="dim")
