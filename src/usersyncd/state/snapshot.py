"""Saves a pull: the snapshot and the cursor in one transaction, and a mark on every record that has to be shaped
again."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any

from msgspec import Struct, structs
from sqlalchemy import Connection, bindparam, update

from usersyncd.core.report import MAX_SKIPPED, Skipped
from usersyncd.plugin import Done, Kind
from usersyncd.state import directories, membership_changes, progress_store
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
    """What the rules of a directory read besides the record itself.

    ``groups``: the groups of a user; ``manager``: the manager of a user. ``display_name``: takes a group's native
    attributes and returns its name. ``rules``: the fingerprint of the rules of each target, by the target's name.
    """

    rules: Mapping[str, str]
    groups: bool
    manager: bool
    display_name: Callable[[dict[str, Any]], str | None]


class SavedPull(Struct, frozen=True):
    """The result of saving a pull.

    ``directory``: the new state of the directory. ``changed``: how many records changed, plus how many groups list
    other members. ``unclear``: members that cannot be resolved. ``left_out``: the first skipped memberships, by name.
    ``accepted``: attributes that all records lost, with a person's approval.
    """

    directory: DirectoryState
    changed: int
    unclear: UnclearMembers
    left_out: list[Skipped]
    accepted: list[str]


def save(
    database: Database,
    before: DirectoryState,
    spool: Spool,
    done: Done,
    basis: str,
    dependencies: ShapeDependencies,
    watched: Watched,
    now: datetime,
    *,
    durable: bool = False,
) -> Steps[SavedPull]:
    """Save a finished pull in the snapshot. Yields between batches; if it is closed early, nothing is changed.
    ``durable``: what is saved survives a power loss.

    Raises LostError, and changes nothing, if all records lost an attribute that is ``watched``.
    """
    first = reserve(database, spool.count_new())
    with database.write(durable=durable) as connection:
        revision = before.revision + 1
        vanished = Vanished(connection, before.id, watched)
        changed = Records(connection, before.id, revision, spool, first, dependencies.display_name, vanished)
        yield from changed.save(complete=done.complete, now=now.isoformat())
        accepted = vanished.verify(before.name)
        members = Memberships(connection, before.id, revision, spool, changed, complete=done.complete)
        yield from members.save()
        if not spool.first:
            membership_changes.save(connection, before.id, revision, members.changes)
            yield from _mark_dependents(connection, before.id, revision, changed, members, dependencies)
        after = structs.replace(
            before,
            cursor=done.cursor,
            basis=basis,
            # Records that were only named as present were not read again.
            completed_at=now if done.complete and not spool.named else before.completed_at,
            revision=revision if changed.changed or members.rewritten or members.changes else before.revision,
            complete=int(done.complete),
            users=before.users + changed.count[Kind.USER],
            groups=before.groups + changed.count[Kind.GROUP],
            memberships=before.memberships + members.count,
        )
        directories.save(connection, after)
        progress_store.distrust(connection, before.id, dependencies.rules)
        unclear = unclear_members(connection, before.id, MAX_SKIPPED)
    unlisted = [
        Skipped(Kind.GROUP, id_, "this directory lists members of the group, but not the group itself")
        for id_ in members.strangers[:MAX_SKIPPED]
    ]
    return SavedPull(after, changed.changed + members.rewritten, unclear, unlisted + unclear.named, accepted)


def _mark_dependents(
    connection: Connection,
    directory: int,
    revision: int,
    changed: Records,
    members: Memberships,
    dependencies: ShapeDependencies,
) -> Steps[None]:
    """Mark the records that did not change, but have to be shaped again because their groups or their manager
    changed."""
    if dependencies.groups and (members.changes or changed.renamed):
        graph = MembershipGraph(connection, directory)
        for refs in batched(sorted(regrouped(graph, members.changes, changed.renamed)), CHUNK):
            connection.execute(
                update(records)
                .where(among(connection, records.c.ref, refs), records.c.gone_at.is_(None))
                .values(revision=revision)
            )
            yield
    if dependencies.manager:
        mark = update(records).where(records.c.directory == directory, records.c.manager == bindparam("whose"))
        for names in batched(changed.managers, CHUNK):
            connection.execute(mark.values(revision=revision), [{"whose": name} for name in names])
            yield
