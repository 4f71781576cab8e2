"""Which target is which: by its own identity, whatever the configuration calls it."""

from __future__ import annotations

from sqlalchemy import Connection, insert, select, update

from usersyncd.state.tables import targets


def by_identity(connection: Connection, identity: str, name: str) -> int | None:
    """The number of a target that was seen before; one that was in use before targets had identities goes by its name.
    None: it is new, or it moved."""
    found = connection.scalar(select(targets.c.id).where(targets.c.identity == identity))
    if found is not None:
        return int(found)
    unnamed = select(targets.c.id).where(targets.c.name == name, targets.c.identity.is_(None))
    found = connection.scalar(unnamed)
    return None if found is None else int(found)


def latest(connection: Connection, name: str) -> int | None:
    """The target that the configuration called so last."""
    return connection.scalar(select(targets.c.id).where(targets.c.name == name).order_by(targets.c.id.desc()).limit(1))


def remember(connection: Connection, number: int | None, identity: str, name: str) -> int:
    """Write which target this is; ``number`` None: it is a new one. Returns its number."""
    if number is None:
        return int(
            connection.scalars(insert(targets).values(identity=identity, name=name).returning(targets.c.id)).one()
        )
    connection.execute(update(targets).where(targets.c.id == number).values(identity=identity, name=name))
    return number
