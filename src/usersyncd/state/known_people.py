"""Finds in the snapshot a person who is pulled alone, and the groups that list the person."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection

from msgspec import Struct
from sqlalchemy import Connection, select

from usersyncd.core.digest import name
from usersyncd.plugin import Kind, Listed
from usersyncd.state.columns import NUMBER
from usersyncd.state.database import among
from usersyncd.state.directories import DirectoryState
from usersyncd.state.groups_by_name import groups_naming
from usersyncd.state.names import tokens
from usersyncd.state.search import find_exactly
from usersyncd.state.tables import names, records

MOST = 20
"""How many people with the same key are named at most."""


class KnownPerson(Struct, frozen=True):
    """A user of the snapshot. ``names``: the id and the handles; ``gone``: deleted in the directory."""

    id: str
    names: frozenset[str]
    gone: bool


def known_people(connection: Connection, directory: DirectoryState, text: str) -> list[KnownPerson]:
    """The users of a directory whose id the text is; if there are none, those with this handle; if there are none,
    those with this key or target id in a target."""
    users = select(records.c.id, records.c.handles, records.c.gone_at).order_by(records.c.id)
    users = users.where(records.c.directory == directory.id, records.c.kind == NUMBER[Kind.USER])
    rows = connection.execute(users.where(records.c.id == text)).all()
    if not rows:
        named = select(names.c.ref).where(names.c.directory == directory.id, names.c.name == name(text))
        rows = connection.execute(users.where(among(connection, records.c.ref, list(connection.scalars(named))))).all()
    if not rows:
        refs = [person.ref for person in find_exactly(connection, text, directory.name, MOST)]
        rows = connection.execute(users.where(among(connection, records.c.ref, refs))).all()
    return [KnownPerson(id_, frozenset(tokens(id_, handles)), gone_at is not None) for id_, handles, gone_at in rows]


def groups_listing(connection: Connection, directory: int, wanted: Collection[str]) -> Listed:
    """The groups of the snapshot that list a member by one of these names, each with these names."""
    texts = {name(text): text for text in wanted}
    listing = groups_naming(connection, directory, list(texts))
    ids = _ids(connection, {ref for refs in listing.values() for ref in refs})
    found: defaultdict[str, set[str]] = defaultdict(set)
    for number, refs in listing.items():
        for ref in refs:
            if ref in ids:
                found[ids[ref]].add(texts[number])
    return {group: frozenset(some) for group, some in found.items()}


def _ids(connection: Connection, refs: Collection[int]) -> dict[int, str]:
    groups = select(records.c.ref, records.c.id).where(
        among(connection, records.c.ref, list(refs)), records.c.gone_at.is_(None)
    )
    return {row.ref: row.id for row in connection.execute(groups)}


def existing_groups(connection: Connection, directory: int, ids: Collection[str]) -> set[str]:
    """Those of these ids that are groups of the snapshot."""
    groups = select(records.c.id).where(
        records.c.directory == directory,
        records.c.kind == NUMBER[Kind.GROUP],
        records.c.gone_at.is_(None),
        among(connection, records.c.id, list(ids)),
    )
    return set(connection.scalars(groups))
