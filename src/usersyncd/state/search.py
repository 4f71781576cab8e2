"""Finds people in the snapshot by what an admin types, and the last event of one of them in a target."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterator
from typing import Any

import msgspec
from msgspec import Struct
from sqlalchemy import ColumnElement, Connection, Select, exists, or_, select

from usersyncd.core.digest import encode
from usersyncd.plugin import Kind
from usersyncd.state.columns import NUMBER, decode
from usersyncd.state.database import among
from usersyncd.state.tables import directories, journal, links, records, retries, runs, targets

PAGE = 500
_WHOLE_LIFE = ("create", "adopt", "reactivate", "deactivate", "delete")
"""The changes by which an object begins, ends, or changes hands between access and no access."""


class FoundPerson(Struct, frozen=True):
    """A user of the snapshot. ``directory`` is the number of the directory; ``attributes`` are JSON with native names;
    ``manager``: the name of the manager (state.names); ``gone_at``: when the user left the directory."""

    ref: int
    directory: int
    directory_name: str
    id: str
    attributes: str
    manager: int | None
    gone_at: str | None


class FormerPerson(Struct, frozen=True):
    """A user that only the journal knows: the snapshot has no record any more."""

    directory_name: str
    id: str


class LastEvent(Struct, frozen=True):
    """The last change in the journal that gave somebody an object or access, or took it, and its run."""

    op: str
    run: str
    at: str


def find_people(connection: Connection, text: str, directory: str | None, limit: int) -> list[FoundPerson]:
    """The users that a text means, at most ``limit``, by directory and id. Users that left are found as long as a
    target holds something of them.

    A user whose id is the text is meant, or else whose key or target id in a target is. Otherwise all users in whose
    id, keys, handles and attributes every word occurs, in any case.
    """
    everyone = _people(directory)
    for exact in (records.c.id == text, _has_address(connection, text)):
        if rows := connection.execute(everyone.where(exact).limit(limit)).all():
            return [FoundPerson(*row) for row in rows]
    found: list[FoundPerson] = []
    words = _folded(text).split()
    candidates = everyone.add_columns(records.c.handles).where(*(_may_contain(word) for word in words))
    for page in connection.execute(candidates).partitions(PAGE) if words else ():
        keys = _keys(connection, [row.ref for row in page])
        for *row, handles in page:
            person = FoundPerson(*row)
            texts = [person.id, *_texts(decode(person.attributes)), *_texts(handles and msgspec.json.decode(handles))]
            whole = _folded("\n".join([*texts, *keys.get(person.ref, ())]))
            if all(word in whole for word in words):
                found.append(person)
            if len(found) == limit:
                return found
    return found


def find_former(connection: Connection, text: str, directory: str | None, limit: int) -> list[FormerPerson]:
    """The users that the snapshot forgot and that had the text as id, or else as key, at most ``limit``."""
    known = exists().where(
        records.c.id == journal.c.id, records.c.kind == NUMBER[Kind.USER], records.c.directory == directories.c.id,
        directories.c.name == journal.c.directory,
    )  # fmt: skip
    query = select(journal.c.directory, journal.c.id).distinct().order_by(journal.c.directory, journal.c.id)
    query = query.where(journal.c.kind == Kind.USER.value, journal.c.directory.is_not(None), ~known).limit(limit)
    if directory is not None:
        query = query.where(journal.c.directory == directory)
    # One after the other: the journal has an index on the id, and none on the key.
    for wanted in (journal.c.id == text, journal.c.key.in_(_as_keys(text))):
        if rows := connection.execute(query.where(wanted)).all():
            return [FormerPerson(*row) for row in rows]
    return []


def _people(directory: str | None) -> Select[Any]:
    query = select(
        records.c.ref, records.c.directory, directories.c.name, records.c.id, records.c.attributes, records.c.manager,
        records.c.gone_at,
    )  # fmt: skip
    query = query.join(directories, directories.c.id == records.c.directory)
    query = query.where(records.c.kind == NUMBER[Kind.USER]).order_by(directories.c.name, records.c.id)
    return query if directory is None else query.where(directories.c.name == directory)


def _has_address(connection: Connection, text: str) -> ColumnElement[bool]:
    """Whether a target knows the record by this key or target id."""
    here = or_(among(connection, links.c.key, _as_keys(text)), links.c.target_id == text)
    return records.c.ref.in_(select(links.c.ref).where(links.c.kind == NUMBER[Kind.USER], here))


def _as_keys(text: str) -> list[str]:
    """The keys in JSON that a person writes so: a text, or a number."""
    return [encode(text).decode(), *([text] if text.isdecimal() else [])]


def _may_contain(word: str) -> ColumnElement[bool]:
    """Whether a record may contain a word. Databases fold ASCII only, and JSON escapes some characters, so that
    anything may stand in the place of the others."""
    pattern = f"%{''.join(letter if letter.isascii() and letter.isalnum() else '%' for letter in word)}%"
    keys = select(links.c.ref).where(links.c.kind == NUMBER[Kind.USER], links.c.key.ilike(pattern))
    columns = records.c.id, records.c.attributes, records.c.handles
    return or_(*(column.ilike(pattern) for column in columns), records.c.ref.in_(keys))


def _keys(connection: Connection, refs: list[int]) -> dict[int, list[str]]:
    found: dict[int, list[str]] = {}
    # The target comes first in the primary key: without it, a database looks at all links.
    every = links.c.target.in_(select(targets.c.id))
    query = select(links.c.ref, links.c.key).where(every, among(connection, links.c.ref, refs))
    for ref, key in connection.execute(query):
        found.setdefault(ref, []).append(str(msgspec.json.decode(key)))
    return found


def _texts(value: Any) -> Iterator[str]:
    """Every text and number in a value."""
    if isinstance(value, dict):
        value = list(value.values())
    if isinstance(value, list):
        for item in value:
            yield from _texts(item)
    elif value is not None and not isinstance(value, bool):
        yield str(value)


def _folded(text: str) -> str:
    return unicodedata.normalize("NFC", text).casefold()


# ---- one person in one target


def last_event(connection: Connection, target: str, directory: str, id_: str) -> LastEvent | None:
    """The last event in the life of a user's object, by the names of the target and the directory."""
    query = select(journal.c.op, journal.c.run, runs.c.started).join(runs, runs.c.id == journal.c.run)
    query = query.where(
        journal.c.id == id_, journal.c.kind == Kind.USER.value, journal.c.target == target,
        journal.c.directory == directory, journal.c.op.in_(_WHOLE_LIFE),
    )  # fmt: skip
    row = connection.execute(query.order_by(runs.c.number.desc(), journal.c.seq.desc()).limit(1)).one_or_none()
    return None if row is None else LastEvent(*row)


def is_retried(connection: Connection, target: int, ref: int) -> bool:
    """Whether the last delivery could not bring a record to a target, and the next one tries again."""
    mine = retries.c.target == target, retries.c.ref == ref
    return connection.scalar(select(retries.c.ref).where(*mine)) is not None
