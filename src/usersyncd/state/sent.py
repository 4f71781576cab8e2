"""Stores the batch that was sent to a target and has no answer yet, so that the run after an interruption finds it."""

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

    ``ref``: the record. ``left``: it becomes a leaver. ``takes``: the ref of the leaver whose object it adopts.
    ``change``: a membership change has no members here. ``members``: the refs of the members of a membership change.
    ``counted``: the guard counts the change.
    """

    ref: int
    left: bool
    takes: int | None
    change: Change
    members: list[int]
    counted: bool = True
    directory: str = ""
    """The current name of the directory. The change has the name under which it was sent."""


_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(list[Sent]).decode


def write(
    connection: Connection,
    target: int,
    directories: Mapping[str, int],
    steps: Iterable[PlannedChange],
) -> None:
    """Store a batch that is about to be sent. It replaces the previous batch. ``directories``: their numbers, by
    name."""
    by_directory: dict[str, list[tuple[object, ...]]] = {}
    for step in steps:
        if step.change is not None:
            name = step.change.directory
            row = (step.ref, step.left, step.takes, _change(step), step.members.tolist(), step.counted)
            by_directory.setdefault(name, []).append(row)
    clear(connection, target)
    # Most of a batch is names of attributes: compressed, a tenth of the bytes has to reach the disk in the commit.
    rows = (
        (target, directories[name], zlib.compress(_encode(changes), level=1)) for name, changes in by_directory.items()
    )
    bulk.upsert(connection, sent, ("target", "directory", "content"), rows)


def _change(step: PlannedChange) -> Change | msgspec.Raw:
    if step.change is not None and step.members:
        return structs.replace(step.change, members=())
    return msgspec.Raw(step.encoded)


def clear(connection: Connection, target: int) -> None:
    """Delete the batch of a target, after it was answered or resolved."""
    connection.execute(delete(sent).where(sent.c.target == target))


def unanswered(connection: Connection, target: int) -> list[Sent]:
    """The steps that were sent to a target and not answered."""
    query = select(directories.c.name, sent.c.content).join(directories, directories.c.id == sent.c.directory)
    return [
        structs.replace(step, directory=name)
        for name, content in connection.execute(query.where(sent.c.target == target).order_by(sent.c.directory))
        for step in _decode(zlib.decompress(content))
    ]
