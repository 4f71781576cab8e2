"""Finds the directories that have a share in a delivery: those that the target lists, and those that leave it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import AsyncExitStack, ExitStack

from usersyncd.blocking import to_its_end
from usersyncd.core.report import TargetReport
from usersyncd.deliver.leaving_directories import leaving
from usersyncd.deliver.share import Share
from usersyncd.deliver.work import Work, connected
from usersyncd.errors import UsersyncError
from usersyncd.job import TargetRules
from usersyncd.plugin import Target
from usersyncd.state import outcomes, renaming, targets
from usersyncd.state.database import Connection
from usersyncd.state.directories import DirectoryState, known
from usersyncd.state.drift import Drift

SAME = (
    "this is the same target as {0}, and both list the directory {1}\n"
    "  → list the directory in one of them only, or give both in one target; nothing was delivered"
)
WAITS = (
    "{0} was called {1} before, and this target still uses the name {1} for it: what it holds under {1} may belong to "
    "{0}\n  → run `usersyncd sync {0}` first; nothing was delivered"
)
NOT_LEFT = (
    "the objects of {0} stay in this target for now: the target {1} lists {0} and may be the same target, which cannot "
    "be checked: {2}"
)


async def find_shares(work: Work, target: Target, stack: AsyncExitStack) -> list[Share]:
    """The shares of this delivery. Each has a report from now on; a share that cannot be delivered has its error there.
    ``stack`` closes the shares' temporary files."""
    found: list[Share] = []
    for name, rules in work.job.shares.items():
        state = await to_its_end(lambda: _state(work, name))  # noqa: B023
        if state is None or state.basis != work.job.bases[name]:
            work.report.waits = [*work.report.waits, name]
            work.report.targets = [share for share in work.report.targets if share.directory != name]
        elif (other := await to_its_end(lambda: _same_target(work, name))) is not None:  # noqa: B023
            if work.is_chosen(name):
                report = _report(work, state, name)
                report.error, report.code = SAME.format(other, name), "same_target"
        else:
            found.append(await _share(work, state, name, rules, stack))
    leaving_states = await _leaving(work, target)
    return found + [await _share(work, state, state.name, work.job.rules, stack) for state in leaving_states]


def without_waiting(work: Work, shares: Iterable[Share]) -> Iterator[Share]:
    """The shares, except those whose names the target may still use for other directories."""
    for share in shares:
        other = renaming.waiting_for(work.database, work.number, share.directory)
        if other is None:
            yield share
        elif (report := work.reports.get(share.name)) is not None:
            report.error, report.code = WAITS.format(other, share.name), "rename_waits"


async def _share(work: Work, state: DirectoryState, name: str, rules: TargetRules, stack: AsyncExitStack) -> Share:
    is_chosen = work.is_chosen(name)
    if is_chosen:
        _report(work, state, name).leaving = rules.leaving
    is_clock_back = rules.rules.reads.time and await work.ask(
        lambda connection: _is_clock_back(connection, work, state)
    )
    return Share(state, rules, open_drift(stack), is_chosen, is_clock_back)


def _is_clock_back(connection: Connection, work: Work, state: DirectoryState) -> bool:
    """Whether the last delivery of a directory that reached the target began later than now."""
    last = outcomes.last_delivered(connection, work.name, state.name)
    return last is not None and last > work.now


def open_drift(stack: ExitStack | AsyncExitStack) -> Drift:
    """An empty store for the drift of a share. ``stack`` closes it."""
    drift = Drift()
    stack.callback(drift.close)
    return drift


def _report(work: Work, state: DirectoryState, name: str) -> TargetReport:
    report = next((share for share in work.report.targets if share.directory == name), None)
    if report is None:
        report = TargetReport(work.name, directory=name, run=work.report.run)
        work.report.targets.append(report)
    work.reports[state.name] = report
    return report


def _state(work: Work, name: str) -> DirectoryState | None:
    """The state of a directory. A plan before the first pull under a new name reads it under the old name."""
    was = work.job.was.get(name)
    if was is not None and renaming.is_due(work.database, was, name):
        if work.options.deliver:
            return None
        name = was
    with work.database.read() as connection:
        return known(connection, name)


def _same_target(work: Work, directory: str) -> str | None:
    """The name of an earlier target in the configuration that has the same links and lists the directory; None: there
    is none."""
    with work.database.read() as connection:
        for rules in work.job.everyone:
            other = rules.target
            if other.name == work.name:
                return None
            if directory in other.directories and targets.by_name(connection, other.name) == work.number != 0:
                return other.name
    return None


def listed(connection: Connection, work: Work) -> set[str]:
    """The names of the directories that any target with the same links lists, with their former names."""
    same = (
        rules.target
        for rules in work.job.everyone
        if rules.target.name == work.name or targets.by_name(connection, rules.target.name) == work.number
    )
    return {name for target in same for name in target.directories} | set(work.job.was.values())


async def _leaving(work: Work, target: Target) -> list[DirectoryState]:
    """The directories of which this target holds something although no target with the same links lists them."""

    def find() -> list[DirectoryState]:
        configured = [each.target for each in work.job.everyone]
        renamed = set(work.job.was.values())
        with work.database.read() as connection:
            found = leaving(connection, configured, {work.name: work.number}, verify=work.options.verify)
            names = [one.directory for one in found if one.target == work.name and one.directory not in renamed]
            return [state for name in names if (state := known(connection, name)) is not None]

    found = await to_its_end(find) if work.number else []
    return [state for state in found if work.is_chosen(state.name) and await _leaves(work, target, state.name)]


async def _leaves(work: Work, target: Target, directory: str) -> bool:
    """Whether a directory leaves the target. It does not if a target that lists it is this one under another name, so
    each of those is asked for its identity."""
    identity = await target.identity()
    for rules in work.job.everyone:
        other = rules.target
        if other.name == work.name or directory not in other.directories:
            continue
        try:
            async with connected(rules, work.folder, work.log) as (connector, _):
                if await connector.identity() == identity:
                    return False
        except UsersyncError as error:
            work.warn(NOT_LEFT.format(directory, other.name, str(error).partition("\n")[0]))
            return False
    return True
