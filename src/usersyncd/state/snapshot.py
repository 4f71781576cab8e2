"""Saving a pull: snapshot and cursor in one transaction, and whom it concerns."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any

from msgspec import Struct, structs
from sqlalchemy import Connection, bindparam, update

from usersyncd.core.report import MAX_SKIPPED, Skipped
from usersyncd.plugin import Done, Kind
from usersyncd.state import directories, links, membership_changes
from usersyncd.state.bulk import batched
from usersyncd.state.database import Database, Steps, among
from usersyncd.state.directories import DirectoryState
from usersyncd.state.membership_graph import MembershipGraph
from usersyncd.state.memberships import Memberships
from usersyncd.state.records import CHUNK, Records, reserve
from usersyncd.state.regrouped import regrouped
from usersyncd.state.spool import Spool
from usersyncd.state.tables import records
from usersyncd.state.unclear import UnclearMembers, unclear_members
from usersyncd.state.vanished import Vanished, Watched


class ShapeDependencies(Struct, frozen=True):
    """What shapes depend on besides the record itself: the names of a user's groups, which ``display_name`` gives, and
    the manager. ``rules`` are the targets, and the fingerprint of the rules by which each is shaped."""

    rules: Mapping[str, str]
    groups: bool
    manager: bool
    display_name: Callable[[dict[str, Any]], str | None]


class SavedPull(Struct, frozen=True):
    """What was saved: the reading as it is now, how many records and groups' members changed, which members are not
    clear, what was left out, and which attributes are missing everywhere by a person's word."""

    directory: DirectoryState
    changed: int
    unclear: UnclearMembers
    left_out: list[Skipped]
    accepted: list[str]


def save(
    database: Database,
    reading: DirectoryState,
    spool: Spool,
    done: Done,
    basis: str,
    interest: ShapeDependencies,
    watched: Watched,
    now: datetime,
) -> Steps[SavedPull]:
    """Fold a whole pull into the snapshot. Pauses now and then; given up between, nothing was changed. Raises
    SourceError, and changes nothing, if all records lost an attribute that is ``watched``."""
    first = reserve(database, spool.count_new())
    with database.write() as connection:
        revision = reading.revision + 1
        vanished = Vanished(connection, reading.id, watched)
        changed = Records(connection, reading.id, revision, spool, first, interest.display_name, vanished)
        yield from changed.save(complete=done.complete, now=now.isoformat())
        accepted = vanished.verify(reading.name)
        members = Memberships(connection, reading.id, revision, spool, changed, complete=done.complete)
        yield from members.save()
        if not spool.first:
            membership_changes.save(connection, reading.id, revision, members.changes)
            yield from _concerned(connection, reading.id, revision, changed, members, interest)
        after = structs.replace(
            reading,
            cursor=done.cursor,
            basis=basis,
            # Who was only named was not read again.
            completed_at=now if done.complete and not spool.named else reading.completed_at,
            revision=revision if changed.changed or members.rewritten or members.changes else reading.revision,
            complete=int(done.complete),
            users=reading.users + changed.count[Kind.USER],
            groups=reading.groups + changed.count[Kind.GROUP],
            memberships=reading.memberships + members.count,
        )
        directories.save(connection, after)
        links.distrust(connection, reading.id, interest.rules)
        found = unclear_members(connection, reading.id, MAX_SKIPPED)
    strangers = [
        Skipped(Kind.GROUP, id_, "its members were told, but this directory does not list the group")
        for id_ in members.strangers[:MAX_SKIPPED]
    ]
    return SavedPull(after, changed.changed + members.rewritten, found, strangers + found.named, accepted)


def _concerned(
    connection: Connection,
    directory: int,
    revision: int,
    changed: Records,
    members: Memberships,
    interest: ShapeDependencies,
) -> Steps[None]:
    """Mark those who are to be shaped again, though they themselves did not change."""
    if interest.groups and (members.changes or changed.renamed):
        graph = MembershipGraph(connection, directory)
        for refs in batched(sorted(regrouped(graph, members.changes, changed.renamed)), CHUNK):
            connection.execute(
                update(records)
                .where(among(connection, records.c.ref, refs), records.c.gone_at.is_(None))
                .values(revision=revision)
            )
            yield
    if interest.manager:
        mark = update(records).where(records.c.directory == directory, records.c.manager == bindparam("whose"))
        for names in batched(changed.managers, CHUNK):
            connection.execute(mark.values(revision=revision), [{"whose": name} for name in names])
            yield
