"""Describes a run in one line, for the log and for a person."""

from __future__ import annotations

from collections.abc import Iterator

from msgspec import structs

from usersyncd.core.approvals import command
from usersyncd.core.report import (
    Counts,
    DeliveryRun,
    PullReport,
    PullRun,
    RunReport,
    TargetReport,
    Verified,
    targets_of,
)
from usersyncd.words import many

_DONE = {
    "create": "created", "adopt": "adopted", "update": "updated", "deactivate": "deactivated",
    "reactivate": "reactivated", "delete": "deleted", "add": "added", "remove": "removed",
}  # fmt: skip


Report = PullRun | DeliveryRun | RunReport


def line(report: Report) -> str:
    """``read 249 users, 20 groups, 303 memberships``, ``acme: 3 users created; corp: nothing to change``."""
    return "; ".join(_parts(report)) or "nothing to do"


def read(pull: PullReport) -> str:
    """``read 249 users, 20 groups, 303 memberships``, ``received 3 requests, now 250 users, …``"""
    all_ = ", ".join((many(pull.users, "user"), many(pull.groups, "group"), many(pull.memberships, "membership")))
    text = f"read {all_}" if pull.complete else f"read what changed of {all_}"
    if pull.requests is not None:
        text = f"received {many(pull.requests, 'request')}, now {all_}"
    for number, what in ((pull.unresolved, "not found"), (pull.ambiguous, "ambiguous")):
        text += f"; {many(number, 'member')} of groups {what}" if number else ""
    return text


def changed(counts: Counts, *, would: bool = False) -> str:
    """``3 users created, 4 memberships added``, or ``3 users to create``; empty when nothing is."""
    return ", ".join(
        some(number, word, op, would=would)
        for word, part in (("user", counts.users), ("group", counts.groups), ("membership", counts.memberships))
        for op, number in structs.asdict(part).items()
        if number
    )


def some(number: int, word: str, op: str, *, would: bool = False) -> str:
    """``3 users created``, or ``3 users to create``."""
    return f"{many(number, word)} {f'to {op}' if would else _DONE[op]}"


def target(report: TargetReport, *, would: bool = False) -> str:
    """The result of one share: ``3 users created``, ``nothing to change``."""
    if report.error is not None:
        return f"failed: {_first(report.error)}"
    return "; ".join(_target(report, would=would)) or "nothing to change"


def _target(report: TargetReport, *, would: bool) -> Iterator[str]:
    if report.verified is not None:
        yield verified(report.verified)
    if report.held:
        limits = ", ".join(f"{limit.limit} {limit.found}, allowed {limit.allowed}" for limit in report.guard)
        yield f"HELD, nothing was delivered: {limits}" + (f" (`{command(report.harm)}`)" if report.harm else "")
    elif text := changed(report.counts, would=would):
        yield text
    elif report.verified is not None and not report.failures:
        yield "nothing to change"
    if report.rejected:
        yield f"{many(report.rejected, 'change')} left out because a person rejected them"
    if report.failures:
        yield f"{many(report.failures, 'record')} failed"


def verified(found: Verified) -> str:
    """``verified 249 objects: 2 missing, 1 changed, 1 group with other members``"""
    differing = [
        f"{number:,} {what}" for number, what in ((found.missing, "missing"), (found.changed, "changed")) if number
    ]
    if found.groups:
        differing.append(f"{many(found.groups, 'group')} with other members")
    return f"verified {many(found.objects, 'object')}: {', '.join(differing) or 'nothing differs'}"


def outcome(report: Report) -> str:
    """The line of a run, without the part about reading."""
    return "; ".join(_outcome(report))


def faults(report: Report, most: int = 5) -> Iterator[str]:
    """Everything that went wrong, each with its remedy: the errors of the run and its shares, and the first records
    that failed."""
    if report.error is not None:
        yield report.error
    if not isinstance(report, DeliveryRun):
        yield from _failed("", report, most)
    for one in targets_of(report):
        whose = _whose(report, one)
        if one.error not in (None, report.error):
            yield f"{whose}: {one.error}"
        yield from _failed(f"{whose}: ", one, most)


def _whose(report: Report, one: TargetReport) -> str:
    """The name of a share: in a delivery that of the directory, otherwise that of the target."""
    return one.directory if isinstance(report, DeliveryRun) else one.target


def _failed(prefix: str, report: PullRun | RunReport | TargetReport, most: int) -> Iterator[str]:
    for failed in report.failed[:most]:
        yield f"{prefix}{failed.kind} {failed.id}: {failed.error}{f' ({failed.at})' if failed.at else ''}"
    if report.failures > most:
        yield f"{prefix}and {many(report.failures - most, 'record')} more"


def _parts(report: Report) -> Iterator[str]:
    if not isinstance(report, DeliveryRun):
        if isinstance(report, PullRun) and report.person is not None:
            if report.error is None:
                yield f"read {report.person}{'' if report.changed else ': nothing changed'}"
        elif (pull := report.pull) is not None:
            yield read(pull)
        if report.failures:
            yield f"{many(report.failures, 'record')} could not be read"
    yield from _outcome(report)


def _outcome(report: Report) -> Iterator[str]:
    if report.error is not None:
        yield f"failed: {_first(report.error)}"
    for one in targets_of(report):
        if report.error is not None and one.error == report.error:
            continue
        if one.plan is None and one.error is None:
            continue  # The run was stopped before it had a plan.
        whose = _whose(report, one)
        name = f"leaving {one.target}" if one.leaving and one.target == whose else whose
        leaving = ", which leaves" if one.leaving and one.target != whose else ""
        yield f"{name}{leaving}: {target(one, would=report.status == 'planned')}"


def _first(error: str) -> str:
    return error.partition("\n")[0]
