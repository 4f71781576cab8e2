"""The state of a directory, for ``status``: its last pull, and its share of the last delivery to each target."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from typing import Any, Literal

from msgspec import Struct, field, structs

from usersyncd.cli.held import decision_document
from usersyncd.cli.saved_state import RUNNING, current_status
from usersyncd.config import DirectoryConfig
from usersyncd.core.approvals import command, named
from usersyncd.core.composing import plan_hash
from usersyncd.core.error_documents import error_document, failed_document
from usersyncd.core.report import DeliveryRun, PullRun, RunReport, TargetReport, worst
from usersyncd.deliver.leaving_directories import Leaving
from usersyncd.state import approvals, full_pushes, journal, outcomes
from usersyncd.state.database import Database
from usersyncd.state.directories import known
from usersyncd.state.journal import Report, RunKind
from usersyncd.state.outcomes import ShareOutcome

FEW = 10
"""How many of the records that failed are named."""


class ExpectedPush(Struct, frozen=True):
    """A full push that is expected, since when and by which person, and how many resources were not sent yet."""

    since: datetime
    by: str
    unseen: int


class DirectoryStatus(Struct):
    """One directory, with the fields that docs/json.md describes.

    The fields from ``held`` to ``run`` are about the last finished run. ``decisions``: approvals and rejections that no
    delivery has followed yet. ``leaving``: what targets that do not list the directory still hold of it.
    """

    directory: str
    connector: str
    last_run: str | None = None
    last_success: str | None = None
    last_delivery: str | None = None
    next_run: str | None = None
    late: bool = False
    tokens: dict[str, datetime] = {}
    full_push: ExpectedPush | None = None
    status: str | None = None
    failed_part: Literal["pull", "delivery"] | None = None
    users: int = 0
    groups: int = 0
    memberships: int = 0
    held: str | None = None
    guard: list[dict[str, Any]] = []
    harms: list[dict[str, Any]] = []
    failures: int = 0
    failed: list[dict[str, Any]] = []
    error: str | None = None
    message: str | None = None
    remedy: str | None = None
    code: str | None = None
    run: str | None = None
    decisions: list[dict[str, Any]] = []
    leaving: list[Leaving] = field(default_factory=list)


def fill_in(found: DirectoryStatus, database: Database, directory: DirectoryConfig, targets: Iterable[str]) -> None:
    """Fill in the status of a directory from the state database. ``targets``: the names of all configured targets."""
    now = datetime.now(UTC)
    latest = (now + directory.every).isoformat()
    with database.read() as connection:
        state = known(connection, directory.name)
        pulls = journal.history(connection, 2, directory.name, kinds=(RunKind.WHOLE, RunKind.PULL))
        ended = [one for one in outcomes.of_directory(connection, directory.name) if one.target in set(targets)]
        deliveries = [run for one in ended for run in journal.find(connection, one.run)]
        push = None if state is None else full_pushes.expected(connection, state.id)
        if state is not None and push is not None:
            found.full_push = ExpectedPush(push.since, push.by, full_pushes.unseen_count(connection, state.id))
        read = [journal.last(connection, directory.name, now + directory.every, *which) for which in _READ]
    if state is not None:
        found.users, found.groups, found.memberships = state.users, state.groups, state.memberships
    found.last_success = _earliest([read[0], *(one.succeeded_at for one in ended)], latest)
    found.last_delivery = _earliest([read[1], *(one.delivered_at for one in ended)], latest)
    if not (pulls or deliveries):
        return
    last = (pulls or deliveries)[0]
    found.last_run = last.started
    found.next_run = (min(datetime.fromisoformat(last.started), now) + directory.every).isoformat()
    status, last = current_status(database, last)
    finished = last if status != RUNNING or len(pulls) < 2 else pulls[1]
    shares = list(_shares(directory.name, finished, deliveries))
    found.status = status if status == RUNNING else worst([last.status, *(one.status for one in ended)])
    if finished.finished is not None or finished.error is not None:
        _fill_in_result(found, finished, shares, ended)


_READ = (("succeeded",), ("succeeded", "partial"))
"""The statuses of pulls after which a success, and a delivery, is known."""


def _earliest(times: Iterable[str | None], latest: str) -> str | None:
    """The earliest of these times; None if one is missing, or is later than ``latest``: a clock was ahead."""
    found = list(times)
    if any(time is None or time > latest for time in found):
        return None
    return min(time for time in found if time is not None)


def _shares(directory: str, last: Report, deliveries: Iterable[Report]) -> Iterator[TargetReport]:
    if isinstance(last, RunReport):
        yield from last.targets  # A run of an earlier release.
    for run in deliveries:
        if isinstance(run, DeliveryRun):
            yield from (one for one in run.targets if one.directory == directory)


def _fill_in_result(
    found: DirectoryStatus, last: Report, shares: list[TargetReport], ended: list[ShareOutcome]
) -> None:
    """Fill in the errors, and what is held, of the last finished pull and deliveries."""
    pull = structs.replace(last, targets=shares) if isinstance(last, RunReport) else _with(last, shares)
    wrong = [one.run for one in ended if one.status != "succeeded"]
    found.run = wrong[0] if wrong and last.status in ("succeeded", "planned") else last.run
    error = error_document(pull)
    found.error, found.code = error["error"], error["code"]
    found.message, found.remedy = error["message"], error["remedy"]
    if found.status == "failed":
        found.failed_part = "pull" if last.status == "failed" and last.error else "delivery"
    for share in shares:
        name = {"target": share.target}
        found.failures += share.failures
        found.failed += [name | failed_document(failed) for failed in share.failed[: FEW - len(found.failed)]]
        if share.held:
            found.held = plan_hash(shares)
            found.guard += [name | structs.asdict(violated) for violated in share.guard]
            shown = {"harm": share.harm, "command": share.harm and command(share.harm)}
            found.harms.append(name | shown)


def _with(pull: Report, shares: list[TargetReport]) -> Report:
    """One report of the pull and its shares."""
    if not isinstance(pull, PullRun):
        return pull
    whole = RunReport(pull.directory, pull.connector, pull.run, pull.status, pull.started, error=pull.error)
    whole.failed, whole.targets = pull.failed, shares
    return whole


def decisions(database: Database) -> dict[str, list[dict[str, Any]]]:
    """The approvals and rejections that no delivery has followed yet, by directory."""
    found: dict[str, list[dict[str, Any]]] = {}
    with database.read() as connection:
        for one in approvals.open_decisions(connection, datetime.now(UTC)):
            rows = found.setdefault(one.share.directory_name, [])
            made = {"target": one.share.target_name, "hash": one.decision.hash} | decision_document(one.decision)
            first = [named(identity) for identity in one.identities[:FEW]]
            rows.append(made | {"count": len(one.identities), "changes": first})
    return found
