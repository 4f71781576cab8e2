"""Makes one directory of two: `was` was forgotten for a while, so that a directory was read under its new name as if it
were another one."""

from __future__ import annotations

from datetime import UTC, datetime

from sqlalchemy import ColumnElement, Connection, and_, delete, func, null, select, update

from usersyncd.state import bulk, links
from usersyncd.state.database import among
from usersyncd.state.tables import directories, records, retries, sent, target_progress, verifications
from usersyncd.state.tables import links as links_table

ENOUGH = 0.5
"""The share of the records in both directories that have to be equal."""

_new, _old = records.alias("new"), records.alias("old")


def can_merge(connection: Connection, old: int, new: int) -> bool:
    """Whether both are the same directory: most of the records that both have are equal. And nobody has two objects in
    a target, nor got no answer under the new name."""
    both = select(func.count(), func.count().filter(_new.c.digest == _old.c.digest)).where(_pairs(old, new))
    common, equal = connection.execute(both).one()
    if not common or equal < ENOUGH * common:
        return False
    there, here = links_table.alias(), links_table.alias()
    doubled = select(_new.c.ref).where(
        _pairs(old, new), there.c.ref == _new.c.ref, here.c.ref == _old.c.ref, there.c.target == here.c.target
    )
    open_ = select(sent.c.target).where(sent.c.directory == new)
    return all(connection.execute(query.limit(1)).first() is None for query in (doubled, open_))


def merge(connection: Connection, old: int, new: int) -> None:
    """Give the links of the directory ``new`` to the records of ``old`` with the same ids. Records that ``old`` does
    not have move there, and count as gone until the next pull, which is complete. All are looked at again, and
    verified."""
    linked = select(links_table.c.ref)
    pairs = select(_new.c.ref, _old.c.ref).where(_pairs(old, new), _new.c.ref.in_(linked))
    refs = {ref: other for ref, other in connection.execute(pairs)}  # noqa: C416 - rows, not pairs
    for ref, other in refs.items():
        connection.execute(update(links_table).where(links_table.c.ref == ref).values(ref=other))
    only = select(records.c.ref).where(records.c.directory == new, records.c.ref.in_(linked))
    moved = list(connection.scalars(only))
    for some in bulk.batched(moved, links.PAGE):
        gone = {"digest": 0, "attributes": "{}", "handles": null(), "manager": null()}
        now = datetime.now(UTC).isoformat()
        connection.execute(
            update(records).where(among(connection, records.c.ref, some)).values(directory=old, gone_at=now, **gone)
        )
    for target in connection.scalars(select(target_progress.c.target).where(target_progress.c.directory == new)).all():
        links.replace_members(connection, target, refs)
        bulk.upsert(connection, verifications, ("target", "directory", "at"), [(target, old, None)])
        links.begin(connection, old, target, "")
    connection.execute(delete(retries).where(retries.c.ref.in_(list(refs))))
    connection.execute(update(target_progress).where(target_progress.c.directory == old).values(fingerprint=""))
    connection.execute(update(directories).where(directories.c.id == old).values(basis=None, cursor=None))


def _pairs(old: int, new: int) -> ColumnElement[bool]:
    return and_(_new.c.directory == new, _old.c.directory == old, _new.c.kind == _old.c.kind, _new.c.id == _old.c.id)
