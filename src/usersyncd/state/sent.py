"""Stores the batch that was sent to a target and has no answer yet, for the run after an interruption."""

from __future__ import annotations

import zlib
from collections.abc import Iterable

import msgspec
from msgspec import Struct, structs
from sqlalchemy import Connection, delete, select

from usersyncd.plugin import Change
from usersyncd.state import bulk
from usersyncd.state.planned import Planned
from usersyncd.state.tables import directories, sent


class Sent(Struct, frozen=True, array_like=True):
    """One step of an unanswered batch.

    ``ref``: the record; ``left``: it becomes a leaver; ``takes``: ref of the leaver whose object it adopts; ``change``:
    the change, for memberships without the members; ``members``: the refs of these members; ``counted``: the guard
    counts it.
    """

    ref: int
    left: bool
    takes: int | None
    change: Change
    members: list[int]
    counted: bool = True


_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(list[Sent]).decode


def write(connection: Connection, target: int, directory: int, steps: Iterable[Planned], *, counted: bool) -> None:
    """Store a batch that is about to be sent. It replaces the previous one. ``counted``: the guard counts the plan."""
    content = [
        (step.ref, step.left, step.takes, _change(step), step.members.tolist(), counted and step.counted)
        for step in steps
        if step.change is not None
    ]
    # Names of attributes make most of it. Compressed, the commit waits for a tenth of the bytes to be on disk.
    row = (target, directory, zlib.compress(_encode(content), level=1))
    bulk.upsert(connection, sent, ("target", "directory", "content"), [row])


def _change(step: Planned) -> Change | msgspec.Raw:
    if step.change is not None and step.members:
        return structs.replace(step.change, members=())
    return msgspec.Raw(step.encoded)


def clear(connection: Connection, target: int, directory: int) -> None:
    """Delete the batch after it was answered or settled."""
    connection.execute(delete(sent).where(sent.c.target == target, sent.c.directory == directory))


def unanswered(connection: Connection, target: int, directory: int) -> list[Sent]:
    """The steps that a run of this directory sent and that were not answered."""
    content = connection.scalar(select(sent.c.content).where(sent.c.target == target, sent.c.directory == directory))
    return _steps(content) if content else []


def elsewhere(connection: Connection, target: int, directory: int) -> dict[str, list[Sent]]:
    """The unanswered steps of the other directories, by directory name."""
    query = select(directories.c.name, sent.c.content).join(directories, directories.c.id == sent.c.directory)
    rows = connection.execute(query.where(sent.c.target == target, sent.c.directory != directory))
    return {name: _steps(content) for name, content in rows}


def _steps(content: bytes) -> list[Sent]:
    return _decode(zlib.decompress(content))
