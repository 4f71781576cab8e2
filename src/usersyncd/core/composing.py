"""Composes the report that ``plan`` and ``sync`` show of a directory, from its pull and its shares of deliveries."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from usersyncd.core.plan import Hash
from usersyncd.core.report import DeliveryRun, PullRun, RunReport, TargetReport, status


def composed(
    directory: str,
    connector: str,
    pull: PullRun | None,
    deliveries: Sequence[DeliveryRun],
    *,
    started: str,
    delivered: bool,
) -> RunReport:
    """The report of one directory. ``pull``: None for a directory that is out of the file. ``deliveries``: those that
    concern it. ``started``: when they began; ``delivered``: False for a plan."""
    shares = sorted(_shares(directory, deliveries), key=lambda share: share.leaving)
    runs: list[PullRun | DeliveryRun] = [*([pull] if pull else []), *deliveries]
    report = RunReport(directory, connector, next((run.run for run in runs), ""), "failed", started)
    if pull is not None:
        report.pull, report.error, report.code = pull.pull, pull.error, pull.code
        report.skipped, report.failed, report.failures = pull.skipped, pull.failed, pull.failures
    report.targets = shares
    report.finished = max((run.finished for run in runs if run.finished is not None), default=None)
    report.seconds = round(sum(run.seconds for run in runs), 3)
    report.plan = plan_hash(shares) if report.error is None else None
    report.status = status(report, delivered=delivered)
    return report


def _shares(directory: str, deliveries: Iterable[DeliveryRun]) -> Iterator[TargetReport]:
    """The shares of a directory, each with the warnings about its target."""
    for run in deliveries:
        for share in run.targets:
            if share.directory == directory:
                share.notes = [*run.notes, *share.notes]
                yield share


def plan_hash(shares: Iterable[TargetReport]) -> str:
    """The hash of the plans of a directory at all its targets."""
    plans = Hash()
    for share in shares:
        plans.add(f"{share.target} {share.plan}\n".encode())
    return str(plans)
