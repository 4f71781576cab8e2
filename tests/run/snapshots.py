"""What a snapshot has, so that two of them can be compared."""

from __future__ import annotations

from typing import Any

from sqlalchemy import select

from usersyncd.core.digest import unpack
from usersyncd.state.columns import KIND, decode
from usersyncd.state.database import Database
from usersyncd.state.tables import directories, memberships, records


def snapshot(database: Database, directory: str) -> dict[str, Any]:
    """The records that exist, the names by which each group lists members, and the members that these names mean."""
    with database.read() as connection:
        number = connection.scalar(select(directories.c.id).where(directories.c.name == directory))
        rows = connection.execute(
            select(
                records.c.ref, records.c.kind, records.c.id, records.c.attributes, records.c.handles, records.c.gone_at
            ).where(records.c.directory == number)
        ).all()  # fmt: skip
        groups = connection.execute(
            select(memberships.c.ref, memberships.c.names, memberships.c.users, memberships.c.groups)
        ).all()
    ids = {row.ref: row.id for row in rows}
    return {
        "records": {
            (KIND[row.kind], row.id): (decode(row.attributes), row.handles) for row in rows if row.gone_at is None
        },
        "names": {ids[ref]: set(unpack("q", names)) for ref, names, _, _ in groups if ref in ids and names},
        "members": {
            ids[ref]: {ids[one] for blob in (users, nested) for one in unpack("I", blob)}
            for ref, _, users, nested in groups
            if ref in ids and (users or nested)
        },
    }
