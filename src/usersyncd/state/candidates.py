"""Whom a plan is about: records that may have to be shaped again, each with what the target holds of it."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator
from datetime import datetime
from typing import Any

from msgspec import Struct, structs
from sqlalchemy import Connection, Select, and_, false, or_, select, union

from usersyncd.plugin import Kind
from usersyncd.state.bulk import batched
from usersyncd.state.columns import NUMBER, decode
from usersyncd.state.database import among
from usersyncd.state.drift import Drift
from usersyncd.state.links import Row
from usersyncd.state.membership_graph import MembershipGraph
from usersyncd.state.moments import as_text
from usersyncd.state.names import NameResolver
from usersyncd.state.tables import directories, links, moments, records, retries

PAGE = 5_000
"""How many records are read at a time."""


class Candidate(Struct, frozen=True, gc=False):
    """One record. ``attributes`` (JSON) None: it has left its directory. The rest is what the target holds: ``digest``
    None when that is nothing, ``key`` and ``shape`` in JSON; ``left_at``: since when it is a leaver's; ``state`` and
    ``target_id`` are the link's. ``last`` are the attributes that the directory told last."""

    ref: int
    id: str
    attributes: str | None
    last: str
    manager: int | None
    digest: int | None
    key: str | None
    shape: str | None
    left_at: str | None
    state: int | None
    target_id: str | None


class Selection(Struct, frozen=True):
    """Which records: all (``since`` None), or those that a pull after ``since`` changed, those that failed before, the
    leavers of before ``due``, those whose shapes hold only until ``now``, and those of which the target holds something
    else (``drift``). ``leaving``: everybody counts as having left the directory. ``only``: just these records."""

    directory: int
    target: int
    since: int | None
    due: datetime | None
    drift: Drift
    leaving: bool = False
    now: datetime | None = None
    only: Collection[int] | None = None


def pages(connection: Connection, selection: Selection, kind: Kind) -> Iterator[list[Candidate]]:
    """The records of one kind, by id."""
    columns = (
        records.c.ref, records.c.id, records.c.attributes, records.c.gone_at, records.c.manager,
        links.c.digest, links.c.key, links.c.shape, links.c.left_at, links.c.state, links.c.target_id,
    )  # fmt: skip
    held = and_(links.c.target == selection.target, links.c.ref == records.c.ref)
    query = (
        select(*columns)
        .outerjoin_from(records, links, held)
        .where(records.c.kind == NUMBER[kind])
        .where(or_(false() if selection.leaving else records.c.gone_at.is_(None), links.c.ref.is_not(None)))
        .order_by(records.c.id)
    )
    # Not both, or SQLite would look at all records of the directory.
    if selection.only is not None:
        query = query.where(among(connection, records.c.ref, list(selection.only)))
    elif selection.since is None:
        query = query.where(records.c.directory == selection.directory)
    else:
        query = query.where(records.c.ref.in_(_touched(connection, selection)))
    for rows in connection.execute(query).partitions(PAGE):
        page = [
            Candidate(ref, id_, None if gone_at or selection.leaving else attributes, attributes, manager, *link)
            for ref, id_, attributes, gone_at, manager, *link in rows
        ]
        yield _as_found(page, selection.drift) if selection.drift else page


def _as_found(page: list[Candidate], drift: Drift) -> list[Candidate]:
    """The candidates with what the target holds of them now."""
    found = drift.links(candidate.ref for candidate in page)
    return [_with_link(candidate, found.get(candidate.ref), drift) for candidate in page]


def _with_link(candidate: Candidate, found: Row | None, drift: Drift) -> Candidate:
    if candidate.ref in drift.missing:
        return structs.replace(
            candidate, digest=None, key=None, shape=None, left_at=None, state=None, target_id=None
        )  # fmt: skip
    if found is None:
        return candidate
    return structs.replace(candidate, digest=found.digest, key=found.key, shape=found.shape)


def ids_among(connection: Connection, names: Collection[str], ids: Collection[str]) -> set[str]:
    """Those of these ids that records of these directories have, or of which leavers are kept."""
    query = select(records.c.id).join(directories, directories.c.id == records.c.directory)
    wanted = directories.c.name.in_(names), among(connection, records.c.id, list(ids))
    return set(connection.scalars(query.where(*wanted)))


def revisions_of(connection: Connection, refs: list[int]) -> dict[int, int]:
    """The pull that changed each of these records last."""
    query = select(records.c.ref, records.c.revision).where(among(connection, records.c.ref, refs))
    return {ref: revision for ref, revision in connection.execute(query)}  # noqa: C416 - rows, not pairs


def _touched(connection: Connection, selection: Selection) -> Any:
    """The refs of the records of the directory that may have to be shaped again."""
    here = select(records.c.ref).where(records.c.directory == selection.directory)
    failed = here.join(retries, retries.c.ref == records.c.ref).where(retries.c.target == selection.target)
    parts = [here.where(records.c.revision > selection.since), failed]
    if selection.due is not None:
        due = links.c.target == selection.target, links.c.left_at <= selection.due.isoformat()
        parts.append(here.join(links, links.c.ref == records.c.ref).where(*due))
    if selection.now is not None:
        moment = moments.c.target == selection.target, moments.c.at <= as_text(selection.now)
        parts.append(here.join(moments, moments.c.ref == records.c.ref).where(*moment))
    if selection.drift:
        parts.append(here.where(among(connection, records.c.ref, selection.drift.refs())))
    return union(*parts).scalar_subquery()


class Managers:
    """The managers of some people: the name that a record gives → id and native attributes."""

    def __init__(self, connection: Connection, directory: int) -> None:
        self._connection = connection
        self._resolver = NameResolver(connection, directory)

    def of(self, candidates: list[Candidate]) -> dict[int, tuple[str, dict[str, Any]]]:
        """Who is meant by the names under ``manager``, as far as somebody is."""
        wanted = {candidate.manager for candidate in candidates if candidate.manager is not None}
        found = self._resolver.meant(wanted)
        meant = {name: ref for name in wanted if (ref := found.refs.get(name)) is not None and ref not in found.groups}
        query = select(records.c.ref, records.c.id, records.c.attributes)
        rows = self._connection.execute(query.where(among(self._connection, records.c.ref, list(set(meant.values())))))
        managers = {ref: (id_, decode(attributes)) for ref, id_, attributes in rows}
        return {name: managers[ref] for name, ref in meant.items() if ref in managers}


class PersonGroups(Struct, frozen=True, gc=False):
    """The groups of one person, directly or through nested groups: display names and ids, each sorted."""

    names: list[str]
    ids: list[str]


NONE = PersonGroups([], [])


class GroupsOfPeople:
    """The groups that people are in."""

    def __init__(self, connection: Connection, directory: int, name: Callable[[dict[str, Any]], str | None]) -> None:
        """``name`` gives a group's display name, from its native attributes; None when it has none."""
        self._connection = connection
        self._graph = MembershipGraph(connection, directory)
        self._name = name
        self._groups: dict[int, tuple[str, str | None]] = {}
        """The id and the display name of each group."""

    def of(self, candidates: list[Candidate]) -> dict[int, PersonGroups]:
        """For each person who is in a group, its groups."""
        direct = self._graph.containing([candidate.ref for candidate in candidates])
        above = self._graph.above_each(set[int]().union(*direct.values()))
        everywhere = {ref: set[int]().union(*(above[group] for group in groups)) for ref, groups in direct.items()}
        self._learn(set[int]().union(*everywhere.values()))
        return {ref: self._found(groups) for ref, groups in everywhere.items()}

    def _learn(self, refs: Collection[int]) -> None:
        query = select(records.c.ref, records.c.id, records.c.attributes)
        for some in batched((ref for ref in refs if ref not in self._groups), PAGE):
            rows = self._connection.execute(query.where(among(self._connection, records.c.ref, some))).all()
            for ref, id_, attributes in rows:
                self._groups[ref] = id_, self._name(decode(attributes))

    def _found(self, groups: Collection[int]) -> PersonGroups:
        some = [self._groups[group] for group in groups]
        return PersonGroups(sorted({name for _, name in some if name is not None}), sorted(id_ for id_, _ in some))


def named_alike(
    connection: Connection,
    directory: int,
    name: Callable[[dict[str, Any]], str | None],
    wanted: Collection[str],
    since: int | None,
) -> dict[str, list[str]]:
    """The ids of the groups that share one of the ``wanted`` names. ``since``: only names of groups that changed after
    that pull."""
    here = select(records.c.kind, records.c.id, records.c.attributes).where(
        records.c.directory == directory, records.c.gone_at.is_(None)
    )
    if wanted and since is not None:
        # Without the kind, or SQLite would look at all groups.
        changed = here.where(records.c.revision > since)
        wanted = {text for _, text in _named(connection, changed, name) if text in wanted}
    if not wanted:
        return {}
    found: dict[str, list[str]] = {}
    for id_, text in _named(connection, here.where(records.c.kind == NUMBER[Kind.GROUP]), name):
        if text in wanted:
            found.setdefault(text, []).append(id_)
    return {text: sorted(ids) for text, ids in found.items() if len(ids) > 1}


def _named(
    connection: Connection, query: Select[Any], name: Callable[[dict[str, Any]], str | None]
) -> Iterator[tuple[str, str]]:
    """The id and the display name of each group that has one."""
    for kind, id_, attributes in connection.execute(query):
        if kind == NUMBER[Kind.GROUP] and (text := name(decode(attributes))) is not None:
            yield id_, text
