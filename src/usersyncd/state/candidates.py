"""Reads the records that a delivery may have to shape again, each with what the target holds for it."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Sequence
from datetime import datetime
from itertools import repeat
from typing import Any

from msgspec import Struct, structs
from sqlalchemy import Connection, Select, and_, false, or_, select, union

from usersyncd.plugin import Kind
from usersyncd.state.columns import NUMBER, decode
from usersyncd.state.database import among
from usersyncd.state.drift import Drift
from usersyncd.state.links import Row
from usersyncd.state.moments import as_text
from usersyncd.state.tables import directories, links, moments, records, retries

PAGE = 5_000
"""How many records are read at a time."""


class Candidate(Struct, frozen=True, gc=False):
    """One record and its link.

    ``attributes`` are JSON; None if the record has left its directory. ``last``: the attributes that the directory sent
    last. ``manager``: the name of the manager (state.names). The other fields are the link's, all None without a link:
    ``key`` and ``shape`` are JSON, ``left_at`` says since when the record is a leaver.
    """

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


class NewCandidates(Struct, frozen=True):
    """Records that have no link, as columns (see :class:`Candidate`)."""

    refs: Sequence[int]
    ids: Sequence[str]
    attributes: Sequence[str]
    managers: Sequence[int | None]


class Selection(Struct, frozen=True):
    """Selects the records of a directory that a delivery looks at.

    ``since`` None: all records. Otherwise those that a pull after ``since`` changed, those that failed before, the
    leavers that left until ``due``, those whose shapes held until ``now``, and those that differ in the target
    (``drift``). ``leaving``: every record counts as deleted. ``only``: these refs, whatever ``since`` says.
    ``patient``: without the records that the target refused and that still wait.
    """

    directory: int
    target: int
    since: int | None
    due: datetime | None
    drift: Drift
    leaving: bool = False
    now: datetime | None = None
    only: Collection[int] | None = None
    patient: bool = False


def pages(connection: Connection, selection: Selection, kind: Kind) -> Iterator[NewCandidates | list[Candidate]]:
    """The selected records of one kind, ordered by id: as columns if none of a page has a link."""
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
    # With a second condition on the directory, SQLite would read all records of the directory.
    if selection.only is not None:
        query = query.where(among(connection, records.c.ref, list(selection.only)))
    elif selection.since is None:
        query = query.where(records.c.directory == selection.directory)
    else:
        query = query.where(records.c.ref.in_(_touched(connection, selection)))
    for rows in connection.execute(query).partitions(PAGE):
        refs, ids, texts, _, managers, _, _, _, _, states, _ = zip(*rows, strict=True)
        if not selection.drift and not any(state is not None for state in states):
            yield NewCandidates(refs, ids, texts, managers)
            continue
        page = [
            Candidate(ref, id_, None if gone_at or selection.leaving else attributes, attributes, manager, *link)
            for ref, id_, attributes, gone_at, manager, *link in rows
        ]
        yield _with_drift(page, selection.drift) if selection.drift else page


def one_by_one(page: NewCandidates | list[Candidate]) -> list[Candidate]:
    """The records of a page without columns."""
    if not isinstance(page, NewCandidates):
        return page
    columns = zip(page.refs, page.ids, page.attributes, page.managers, strict=True)
    return [Candidate(ref, id_, text, text, manager, *repeat(None, 6)) for ref, id_, text, manager in columns]


def _with_drift(page: list[Candidate], drift: Drift) -> list[Candidate]:
    """The candidates with what the verification found in the target instead of what their links say."""
    found = drift.links(candidate.ref for candidate in page)
    return [_with_found_link(candidate, found.get(candidate.ref), drift) for candidate in page]


def _with_found_link(candidate: Candidate, found: Row | None, drift: Drift) -> Candidate:
    if candidate.ref in drift.missing:
        return structs.replace(
            candidate, digest=None, key=None, shape=None, left_at=None, state=None, target_id=None
        )  # fmt: skip
    if found is None:
        return candidate
    return structs.replace(candidate, digest=found.digest, key=found.key, shape=found.shape)


def ids_among(connection: Connection, names: Collection[str], ids: Collection[str]) -> set[str]:
    """Those of these ids that belong to a record of these directories, leavers included."""
    query = select(records.c.id).join(directories, directories.c.id == records.c.directory)
    matches = directories.c.name.in_(names), among(connection, records.c.id, list(ids))
    return set(connection.scalars(query.where(*matches)))


def revisions_of(connection: Connection, refs: list[int]) -> dict[int, int]:
    """The number of the pull that last changed each of these records."""
    query = select(records.c.ref, records.c.revision).where(among(connection, records.c.ref, refs))
    return {ref: revision for ref, revision in connection.execute(query)}  # noqa: C416 - rows, not pairs


def _touched(connection: Connection, selection: Selection) -> Any:
    """The refs of the records of the directory that may have to be shaped again."""
    here = select(records.c.ref).where(records.c.directory == selection.directory)
    failed = here.join(retries, retries.c.ref == records.c.ref).where(retries.c.target == selection.target)
    if selection.patient and selection.now is not None:
        failed = failed.where(or_(retries.c.due.is_(None), retries.c.due <= as_text(selection.now)))
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


def named_alike(
    connection: Connection,
    directory: int,
    name: Callable[[dict[str, Any]], str | None],
    wanted: Collection[str],
    since: int | None,
) -> dict[str, list[str]]:
    """The ids of the groups for each of the ``wanted`` display names that several groups have. ``since``: only the
    names of groups that changed after that pull."""
    here = select(records.c.kind, records.c.id, records.c.attributes).where(
        records.c.directory == directory, records.c.gone_at.is_(None)
    )
    if wanted and since is not None:
        # With a condition on the kind, SQLite would read all groups.
        changed = here.where(records.c.revision > since)
        wanted = {text for _, text in _named(connection, changed, name) if text in wanted}
    if not wanted:
        return {}
    by_name: dict[str, list[str]] = {}
    for id_, text in _named(connection, here.where(records.c.kind == NUMBER[Kind.GROUP]), name):
        if text in wanted:
            by_name.setdefault(text, []).append(id_)
    return {text: sorted(ids) for text, ids in by_name.items() if len(ids) > 1}


def _named(
    connection: Connection, query: Select[Any], name: Callable[[dict[str, Any]], str | None]
) -> Iterator[tuple[str, str]]:
    """The id and the display name of each group that has one."""
    for kind, id_, attributes in connection.execute(query):
        if kind == NUMBER[Kind.GROUP] and (text := name(decode(attributes))) is not None:
            yield id_, text
