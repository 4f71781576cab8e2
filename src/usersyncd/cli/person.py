"""The report about one person: the record in the snapshot and, for each target, its object, since when and why."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

from msgspec import Struct

from usersyncd.cli.names import RecordNames, rules_of
from usersyncd.cli.reasons import Reason, from_link, from_rules, from_share, load_share
from usersyncd.config import Config, TargetConfig
from usersyncd.core.approvals import command
from usersyncd.core.guard import Sort, limited
from usersyncd.core.links import Link
from usersyncd.core.report import PullRun
from usersyncd.core.rules import RuleError, Rules, ShapeTrace
from usersyncd.errors import split_remedy
from usersyncd.job import PullJob
from usersyncd.plugin import Kind
from usersyncd.push.commit import CURSOR
from usersyncd.state import directories, journal, links, losses, search, targets
from usersyncd.state.candidates import Candidate
from usersyncd.state.columns import decode
from usersyncd.state.database import Connection, Database
from usersyncd.state.journal import RunKind
from usersyncd.state.related_records import NONE, GroupsOfPeople, Managers
from usersyncd.state.search import FormerPerson, FoundPerson, LastEvent

GROUPS = 10
"""How many groups of a person are named."""


class InTarget(Struct, frozen=True):
    """A person in one target.

    ``state`` is ``active``, ``inactive``, ``deactivated`` (a leaver whose object is kept) or ``absent``. ``change``,
    ``since`` and ``run`` describe the last event; None: the history has none. ``until``: when the rules may give
    another result. ``delete_at``: when the object of a leaver will be deleted.
    """

    target: str
    state: str
    change: str | None
    since: str | None
    run: str | None
    key: str | int | None
    target_id: str | None
    until: str | None
    delete_at: str | None
    reasons: list[Reason]


class PersonReport(Struct, frozen=True):
    """One person.

    ``read_at``: when the last saved pull began. ``left_at``: when the person left the directory. ``groups``: the names
    of the first of ``group_count`` groups. ``notes``: what is wrong with the pulls. ``known``: whether the snapshot has
    the record.
    """

    directory: str
    id: str
    name: str
    left_at: str | None
    read_at: str | None
    groups: list[str]
    group_count: int
    notes: list[Reason]
    targets: list[InTarget]
    known: bool = True


def person_report(database: Database, config: Config, pull: PullJob | None, found: FoundPerson) -> PersonReport:
    """The report about a person. ``pull``: the job of the directory; None: the configuration does not have it."""
    now = datetime.now(UTC)
    rules = rules_of(pull, database, found.directory_name)
    names = RecordNames(database, found.directory_name, rules)
    names.load(Kind.USER, [found.id])
    with database.read() as connection:
        groups = [] if rules is None or found.gone_at else _groups(connection, found, rules).names
        return PersonReport(
            directory=found.directory_name,
            id=found.id,
            name=names.short(Kind.USER, found.id),
            left_at=found.gone_at,
            read_at=journal.last(connection, found.directory_name, now, "succeeded", "partial"),
            groups=groups[:GROUPS],
            group_count=len(groups),
            notes=list(_notes(connection, found.directory_name, found.id)),
            targets=list(_targets(connection, config, pull, found, now)),
        )


def former_report(database: Database, config: Config, found: FormerPerson) -> PersonReport:
    """The report about a person whose record is no longer in the snapshot, from the journal."""
    directory = found.directory_name
    left = Reason("left", f"the user left {directory}, and nothing is kept")
    with database.read() as connection:
        read_at = journal.last(connection, directory, datetime.now(UTC), "succeeded", "partial")
        events = {name: search.last_event(connection, name, directory, found.id) for name in config.targets}
        notes = list(_notes(connection, directory, found.id))
    standings = [_former(name, event, left) for name, event in events.items() if event is not None]
    return PersonReport(directory, found.id, found.id, None, read_at, [], 0, notes, standings, known=False)


def _former(target: str, event: LastEvent, left: Reason) -> InTarget:
    return InTarget(target, "absent", event.op, event.at, event.run, None, None, None, None, [left])


def pull_notes(connection: Connection, directory: str) -> list[Reason]:
    """What is wrong with the pulls of a directory."""
    return list(_notes(connection, directory, None))


def _notes(connection: Connection, directory: str, id_: str | None) -> Iterator[Reason]:
    state = directories.known(connection, directory)
    if state is None or (state.completed_at is None and state.cursor != CURSOR):
        yield Reason(
            "not_pulled", f"{directory} was never read completely", command=f"usersyncd sync {directory}"
        )  # fmt: skip
    for held in losses.held_losses(connection):
        if held.name == directory:
            yield Reason(
                "pull_held", f"pulls of {directory} are discarded: {held.losses[0]}", command=command(held.hash)
            )
    for run in journal.history(connection, 1, directory, kinds=(RunKind.WHOLE, RunKind.PULL)):
        if run.error is not None:
            message, remedy = split_remedy(run.error)
            yield Reason("pull_failed", f"the last pull of {directory} failed: {message}", remedy, run=run.run)
        if isinstance(run, PullRun):
            for failed in run.failed:
                if (failed.kind, failed.id) == (Kind.USER, id_):
                    message, remedy = split_remedy(failed.error)
                    yield Reason("hidden", message, remedy, place=failed.at, run=run.run)


def _groups(connection: Connection, found: FoundPerson, rules: Rules) -> Any:
    return GroupsOfPeople(connection, found.directory, rules.display_name).of([found.ref]).get(found.ref, NONE)


def _subject(found: FoundPerson) -> Candidate:
    """The record without what a target holds of it."""
    return Candidate(
        found.ref, found.id, found.attributes, found.attributes, found.manager, None, None, None, None, None, None
    )


# ---- the targets


def _targets(
    connection: Connection, config: Config, pull: PullJob | None, found: FoundPerson, now: datetime
) -> Iterator[InTarget]:
    """Each target that lists the directory, or that still holds something of the person."""
    listed = {each.target.name: each.rules for each in pull.targets} if pull else {}
    for target in config.targets.values():
        number = targets.by_name(connection, target.name)
        link = None if number is None else links.known(connection, number, [found.ref]).get(found.ref)
        if link is not None or target.name in listed:
            yield _in_target(connection, target, number, link, found, listed.get(target.name), now)


def _in_target(
    connection: Connection,
    target: TargetConfig,
    number: int | None,
    link: Link | None,
    found: FoundPerson,
    rules: Rules | None,
    now: datetime,
) -> InTarget:
    trace = None if rules is None or found.gone_at else _trace(connection, found, rules, now)
    event = search.last_event(connection, target.name, found.directory_name, found.id)
    leaver = link is not None and link.left_at is not None
    return InTarget(
        target=target.name,
        state=_state(link),
        change=event.op if event else None,
        since=event.at if event else None,
        run=event.run if event else None,
        key=link.key if link else None,
        target_id=link.target_id if link else None,
        until=trace.until.isoformat() if trace and trace.until else None,
        delete_at=_delete_at(target, link) if leaver else None,
        reasons=list(_reasons(connection, target, number, link, found, rules, trace, now)),
    )


def _state(link: Link | None) -> str:
    if link is None:
        return "absent"
    if link.left_at is not None:
        return "deactivated"
    return "inactive" if link.shape.get("active") is False else "active"


def _delete_at(target: TargetConfig, link: Link | None) -> str | None:
    after = target.leavers.delete_after
    if link is None or link.left_at is None or after is None:
        return None
    return (link.left_at + after).isoformat()


def _trace(connection: Connection, found: FoundPerson, rules: Rules, now: datetime) -> ShapeTrace:
    groups = _groups(connection, found, rules) if rules.reads.groups else NONE
    manager = None
    if rules.reads.manager and found.manager is not None:
        manager = Managers(connection, found.directory, attributes=True).of([found.manager]).get(found.manager)
    return rules.trace_user(found.id, decode(found.attributes), groups.names, manager, groups.ids, now=now)


def _reasons(
    connection: Connection,
    target: TargetConfig,
    number: int | None,
    link: Link | None,
    found: FoundPerson,
    rules: Rules | None,
    trace: ShapeTrace | None,
    now: datetime,
) -> Iterator[Reason]:
    directory = found.directory_name
    if rules is None:
        yield Reason(
            "not_listed", f"{target.name} no longer lists {directory}: the users and groups of {directory} leave it"
        )
    if found.gone_at is not None:
        yield Reason("left", f"the user left {directory}")
    elif rules is not None and trace is not None:
        yield from from_rules(trace, _canonical(rules, found), target.timezone, now)
    differs = _differs(link, found, rules, trace)
    share = load_share(connection, target.name, number, directory, now)
    retried = number is not None and search.is_retried(connection, number, found.ref)
    is_harm = differs and _is_limited_harm(target, link, found, trace)
    blocking = list(from_share(share, found.id, retried=retried, differs=differs, is_harm=is_harm))
    yield from blocking
    if link is not None:
        yield from from_link(link)
    if differs and not blocking:
        yield Reason("waiting", "the next delivery will change this", command=f"usersyncd sync {directory}")


def _canonical(rules: Rules, found: FoundPerson) -> dict[str, Any]:
    try:
        return rules.canonical(Kind.USER, found.id, decode(found.attributes))
    except RuleError:
        return {}  # The trace says why.


def _differs(link: Link | None, found: FoundPerson, rules: Rules | None, trace: ShapeTrace | None) -> bool:
    """Whether the target is not yet what the directory and the rules say."""
    if trace is not None and trace.error is not None:
        return False
    shape = trace.shape if trace is not None and rules is not None and found.gone_at is None else None
    if shape is None or link is None or link.left_at is not None:
        return (shape is not None) != (link is not None and link.left_at is None)
    return (shape.get("active") is False) != (link.shape.get("active") is False)


def _is_limited_harm(target: TargetConfig, link: Link | None, found: FoundPerson, trace: ShapeTrace | None) -> bool:
    """Whether the change that a person waits for does harm, of a sort that has a limit."""
    if link is None:
        return False
    shape = trace.shape if trace is not None and found.gone_at is None else None
    if shape is not None and shape.get("active") is not False:
        sort = Sort.REACTIVATIONS
    elif shape is not None or target.leavers.deactivates:
        sort = Sort.DEACTIVATIONS
    else:
        sort = Sort.DELETES
    return sort in limited(target.guard)
