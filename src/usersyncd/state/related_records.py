"""Reads what rules need besides a record: the managers of users, and the groups that they are in."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable
from typing import Any

from msgspec import Struct
from sqlalchemy import Connection, literal, select

from usersyncd.state.bulk import batched
from usersyncd.state.candidates import PAGE
from usersyncd.state.columns import decode
from usersyncd.state.database import among
from usersyncd.state.membership_graph import MembershipGraph
from usersyncd.state.names import NameResolver
from usersyncd.state.tables import records


class Managers:
    """Reads the managers of users."""

    def __init__(self, connection: Connection, directory: int, *, attributes: bool) -> None:
        """``attributes``: more than the managers' ids is needed."""
        self._connection = connection
        self._attributes = attributes
        self._resolver = NameResolver(connection, directory)

    def of(self, managers: Iterable[int | None]) -> dict[int, tuple[str, dict[str, Any]]]:
        """The managers with these names: name → id and native attributes. Names that no user has are left out."""
        names = {manager for manager in managers if manager is not None}
        meant = self._resolver.resolve(names)
        refs = {name: ref for name in names if (ref := meant.refs.get(name)) is not None and ref not in meant.groups}
        query = select(records.c.ref, records.c.id, records.c.attributes if self._attributes else literal("{}"))
        rows = self._connection.execute(query.where(among(self._connection, records.c.ref, list(set(refs.values())))))
        found = {ref: (id_, decode(attributes)) for ref, id_, attributes in rows}
        return {name: found[ref] for name, ref in refs.items() if ref in found}


class PersonGroups(Struct, frozen=True, gc=False):
    """The groups that contain one person, directly or through nested groups: display names and ids, each sorted."""

    names: list[str]
    ids: list[str]


NONE = PersonGroups([], [])


class GroupsOfPeople:
    """Reads the groups that people are in."""

    def __init__(self, connection: Connection, directory: int, name: Callable[[dict[str, Any]], str | None]) -> None:
        """``name`` takes a group's native attributes and returns its display name, or None."""
        self._connection = connection
        self._graph = MembershipGraph(connection, directory)
        self._name = name
        self._groups: dict[int, tuple[str, str | None]] = {}
        """The id and the display name of each group."""

    def of(self, refs: Collection[int]) -> dict[int, PersonGroups]:
        """The groups of each person who is in a group, by ref."""
        direct = self._graph.containing(refs)
        above = self._graph.above_each(set[int]().union(*direct.values()))
        everywhere = {ref: set[int]().union(*(above[group] for group in groups)) for ref, groups in direct.items()}
        self._load(set[int]().union(*everywhere.values()))
        return {ref: self._person_groups(groups) for ref, groups in everywhere.items()}

    def _load(self, refs: Collection[int]) -> None:
        query = select(records.c.ref, records.c.id, records.c.attributes)
        for batch in batched((ref for ref in refs if ref not in self._groups), PAGE):
            rows = self._connection.execute(query.where(among(self._connection, records.c.ref, batch))).all()
            for ref, id_, attributes in rows:
                self._groups[ref] = id_, self._name(decode(attributes))

    def _person_groups(self, refs: Collection[int]) -> PersonGroups:
        groups = [self._groups[ref] for ref in refs]
        return PersonGroups(sorted({name for _, name in groups if name is not None}), sorted(id_ for id_, _ in groups))
