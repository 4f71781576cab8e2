"""Stores the batch that was sent to a target and has no answer yet, for the run after an interruption."""

from __future__ import annotations

import zlib
from collections.abc import Iterable, Mapping

import msgspec
from msgspec import Struct, structs
from sqlalchemy import Connection, delete, select

from usersyncd.plugin import Change
from usersyncd.state import bulk
from usersyncd.state.plan_store import PlannedChange
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
    directory: str = ""
    """What the directory is called now: the change has the name under which it was sent."""


_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(list[Sent]).decode


def write(
    connection: Connection,
    target: int,
    directories: Mapping[str, int],
    steps: Iterable[PlannedChange],
) -> None:
    """Store a batch that is about to be sent. It replaces the previous one. ``directories``: their numbers, by
    name."""
    content: dict[str, list[tuple[object, ...]]] = {}
    for step in steps:
        if step.change is not None:
            name = step.change.directory
            row = (step.ref, step.left, step.takes, _change(step), step.members.tolist(), step.counted)
            content.setdefault(name, []).append(row)
    clear(connection, target)
    # Names of attributes make most of it. Compressed, the commit waits for a tenth of the bytes to be on disk.
    rows = ((target, directories[name], zlib.compress(_encode(some), level=1)) for name, some in content.items())
    bulk.upsert(connection, sent, ("target", "directory", "content"), rows)


def _change(step: PlannedChange) -> Change | msgspec.Raw:
    if step.change is not None and step.members:
        return structs.replace(step.change, members=())
    return msgspec.Raw(step.encoded)


def clear(connection: Connection, target: int) -> None:
    """Delete the batch after it was answered or settled."""
    connection.execute(delete(sent).where(sent.c.target == target))


def unanswered(connection: Connection, target: int) -> list[Sent]:
    """The steps that were sent to a target and not answered."""
    query = select(directories.c.name, sent.c.content).join(directories, directories.c.id == sent.c.directory)
    return [
        structs.replace(step, directory=name)
        for name, content in connection.execute(query.where(sent.c.target == target).order_by(sent.c.directory))
        for step in _decode(zlib.decompress(content))
    ]
