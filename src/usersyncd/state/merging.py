"""Merges two directories into one. A directory that was renamed without `was` in the configuration was read under its
new name as if it were another one."""

from __future__ import annotations

from datetime import UTC, datetime

from sqlalchemy import ColumnElement, Connection, and_, delete, func, null, select, update

from usersyncd.state import bulk, links, progress_store
from usersyncd.state.database import among
from usersyncd.state.held_members import replace_members
from usersyncd.state.tables import directories, records, retries, sent, target_progress, verifications
from usersyncd.state.tables import links as links_table

ENOUGH = 0.5
"""The share of the common records that must be equal in both directories."""

_new, _old = records.alias("new"), records.alias("old")


def can_merge(connection: Connection, old: int, new: int) -> bool:
    """Whether both are the same directory and can be merged: most of the records that both have are equal, no person
    has two objects in one target, and no change of the new directory is unanswered."""
    both = select(func.count(), func.count().filter(_new.c.digest == _old.c.digest)).where(_pairs(old, new))
    common, equal = connection.execute(both).one()
    if not common or equal < ENOUGH * common:
        return False
    there, here = links_table.alias(), links_table.alias()
    doubled = select(_new.c.ref).where(
        _pairs(old, new), there.c.ref == _new.c.ref, here.c.ref == _old.c.ref, there.c.target == here.c.target
    )
    unanswered = select(sent.c.target).where(sent.c.directory == new)
    return all(connection.execute(query.limit(1)).first() is None for query in (doubled, unanswered))


def merge(connection: Connection, old: int, new: int) -> None:
    """Move the links of the directory ``new`` to the records of ``old`` with the same ids.

    Linked records that only ``new`` has move to ``old``, and count as deleted until the next pull, which is complete.
    The next delivery shapes all records again and verifies the target.
    """
    linked = select(links_table.c.ref)
    pairs = select(_new.c.ref, _old.c.ref).where(_pairs(old, new), _new.c.ref.in_(linked))
    refs = {ref: other for ref, other in connection.execute(pairs)}  # noqa: C416 - rows, not pairs
    for ref, other in refs.items():
        connection.execute(update(links_table).where(links_table.c.ref == ref).values(ref=other))
    only_new = select(records.c.ref).where(records.c.directory == new, records.c.ref.in_(linked))
    moved = list(connection.scalars(only_new))
    for batch in bulk.batched(moved, links.PAGE):
        emptied = {"digest": 0, "attributes": "{}", "handles": null(), "manager": null()}
        now = datetime.now(UTC).isoformat()
        connection.execute(
            update(records).where(among(connection, records.c.ref, batch)).values(directory=old, gone_at=now, **emptied)
        )
    for target in connection.scalars(select(target_progress.c.target).where(target_progress.c.directory == new)).all():
        replace_members(connection, target, refs)
        bulk.upsert(connection, verifications, ("target", "directory", "at"), [(target, old, None)])
        progress_store.begin(connection, old, target, "")
    connection.execute(delete(retries).where(retries.c.ref.in_(list(refs))))
    connection.execute(update(target_progress).where(target_progress.c.directory == old).values(fingerprint=""))
    connection.execute(update(directories).where(directories.c.id == old).values(basis=None, cursor=None))


def _pairs(old: int, new: int) -> ColumnElement[bool]:
    return and_(_new.c.directory == new, _old.c.directory == old, _new.c.kind == _old.c.kind, _new.c.id == _old.c.id)
