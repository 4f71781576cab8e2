"""Finds people by any text that an admin types, and the last event of one person in one target."""

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
"""The operations that create or delete an object, link it to a person, or give or take access."""


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
    """A user that only the journal knows, because the snapshot has no record any more."""

    directory_name: str
    id: str


class LastEvent(Struct, frozen=True):
    """The last change in the journal that gave a person an object or access, or took it, and its run."""

    op: str
    run: str
    at: str


def find_people(connection: Connection, text: str, directory: str | None, limit: int) -> list[FoundPerson]:
    """The users that match a text, at most ``limit``, ordered by directory and id. Deleted users are found as long as a
    target holds something of them.

    If the text is the id of users, only these match; if not, and it is a key or target id in a target, only the users
    with it. Otherwise every word of the text has to occur in the user's id, keys, handles or attributes, in any case.
    """
    if exact := find_exactly(connection, text, directory, limit):
        return exact
    everyone = _people(directory)
    people: list[FoundPerson] = []
    words = _folded(text).split()
    candidates = everyone.add_columns(records.c.handles).where(*(_may_contain(word) for word in words))
    for page in connection.execute(candidates).partitions(PAGE) if words else ():
        keys = _keys(connection, [row.ref for row in page])
        for *row, handles in page:
            person = FoundPerson(*row)
            texts = [person.id, *_texts(decode(person.attributes)), *_texts(handles and msgspec.json.decode(handles))]
            whole = _folded("\n".join([*texts, *keys.get(person.ref, ())]))
            if all(word in whole for word in words):
                people.append(person)
            if len(people) == limit:
                return people
    return people


def find_exactly(connection: Connection, text: str, directory: str | None, limit: int) -> list[FoundPerson]:
    """The users whose id the text is; if there are none, those with this key or target id in a target."""
    everyone = _people(directory)
    for exact in (records.c.id == text, _has_address(connection, text)):
        if rows := connection.execute(everyone.where(exact).limit(limit)).all():
            return [FoundPerson(*row) for row in rows]
    return []


def find_former(connection: Connection, text: str, directory: str | None, limit: int) -> list[FormerPerson]:
    """The users that the snapshot no longer has and whose id was the text, or if there are none, whose key was it. At
    most ``limit``."""
    known = exists().where(
        records.c.id == journal.c.id, records.c.kind == NUMBER[Kind.USER], records.c.directory == directories.c.id,
        directories.c.name == journal.c.directory,
    )  # fmt: skip
    query = select(journal.c.directory, journal.c.id).distinct().order_by(journal.c.directory, journal.c.id)
    query = query.where(journal.c.kind == Kind.USER.value, journal.c.directory.is_not(None), ~known).limit(limit)
    if directory is not None:
        query = query.where(journal.c.directory == directory)
    # The id comes first: the journal has an index on the id, and none on the key.
    for matches in (journal.c.id == text, journal.c.key.in_(_as_keys(text))):
        if rows := connection.execute(query.where(matches)).all():
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
    """The condition that a target has the record under this key or target id."""
    matches = or_(among(connection, links.c.key, _as_keys(text)), links.c.target_id == text)
    return records.c.ref.in_(select(links.c.ref).where(links.c.kind == NUMBER[Kind.USER], matches))


def _as_keys(text: str) -> list[str]:
    """The keys, as JSON, that a person may mean by this text: the text itself, or a number."""
    return [encode(text).decode(), *([text] if text.isdecimal() else [])]


def _may_contain(word: str) -> ColumnElement[bool]:
    """The condition that a record may contain a word. Databases ignore the case of ASCII letters only, and JSON escapes
    some characters, so other characters of the word match anything."""
    pattern = f"%{''.join(letter if letter.isascii() and letter.isalnum() else '%' for letter in word)}%"
    keys = select(links.c.ref).where(links.c.kind == NUMBER[Kind.USER], links.c.key.ilike(pattern))
    columns = records.c.id, records.c.attributes, records.c.handles
    return or_(*(column.ilike(pattern) for column in columns), records.c.ref.in_(keys))


def _keys(connection: Connection, refs: list[int]) -> dict[int, list[str]]:
    keys: dict[int, list[str]] = {}
    # The primary key begins with the target: without this condition, a database would read all links.
    any_target = links.c.target.in_(select(targets.c.id))
    query = select(links.c.ref, links.c.key).where(any_target, among(connection, links.c.ref, refs))
    for ref, key in connection.execute(query):
        keys.setdefault(ref, []).append(str(msgspec.json.decode(key)))
    return keys


def _texts(value: Any) -> Iterator[str]:
    """The texts and numbers in a value, at any depth."""
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
    """The last event of a user's object in a target. ``target`` and ``directory`` are names."""
    query = select(journal.c.op, journal.c.run, runs.c.started).join(runs, runs.c.id == journal.c.run)
    query = query.where(
        journal.c.id == id_, journal.c.kind == Kind.USER.value, journal.c.target == target,
        journal.c.directory == directory, journal.c.op.in_(_WHOLE_LIFE),
    )  # fmt: skip
    row = connection.execute(query.order_by(runs.c.number.desc(), journal.c.seq.desc()).limit(1)).one_or_none()
    return None if row is None else LastEvent(*row)


def is_retried(connection: Connection, target: int, ref: int) -> bool:
    """Whether a record failed in the last delivery to a target, and the next one tries again."""
    retry = retries.c.target == target, retries.c.ref == ref
    return connection.scalar(select(retries.c.ref).where(*retry)) is not None
