"""Stores the batch that was sent to a target and has no answer yet, so that the run after an interruption finds it."""

from __future__ import annotations

import zlib
from collections.abc import Iterable, Mapping, Sequence

import msgspec
from msgspec import Struct, structs
from sqlalchemy import Connection, delete, select

from usersyncd.plugin import Change, Creates, Kind
from usersyncd.state import bulk
from usersyncd.state.planned import Batch, PlannedChange, PlannedCreates
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


class SentCreates(Struct, frozen=True):
    """The creates of an unanswered batch, as the columns of a plan."""

    kind: Kind
    directory: str
    refs: Sequence[int]
    ids: Sequence[str]
    keys: Sequence[str]
    shapes: Sequence[str]


_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(list[Sent] | SentCreates).decode


def write(
    connection: Connection,
    target: int,
    directories: Mapping[str, int],
    batch: Batch,
) -> None:
    """Store a batch that is about to be sent. It replaces the previous batch. ``directories``: their numbers, by
    name."""
    clear(connection, target)
    if isinstance(batch, PlannedCreates):
        contents = {batch.creates.directory: _encode(_columns(batch))}
    else:
        contents = {name: _encode(changes) for name, changes in _by_directory(batch).items()}
    # Most of a batch is names of attributes: compressed, a tenth of the bytes has to reach the disk in the commit.
    rows = ((target, directories[name], zlib.compress(content, level=1)) for name, content in contents.items())
    bulk.upsert(connection, sent, ("target", "directory", "content"), rows)


def _by_directory(steps: Iterable[PlannedChange]) -> dict[str, list[tuple[object, ...]]]:
    by_directory: dict[str, list[tuple[object, ...]]] = {}
    for step in steps:
        if step.change is not None:
            name = step.change.directory
            change = structs.replace(step.change, members=()) if step.members else step.change
            row = (step.ref, step.left, step.takes, change, step.members.tolist(), step.counted)
            by_directory.setdefault(name, []).append(row)
    return by_directory


def _columns(planned: PlannedCreates) -> SentCreates:
    creates = planned.creates
    return SentCreates(creates.kind, creates.directory, planned.refs, creates.ids, creates.keys, creates.shapes)


def clear(connection: Connection, target: int) -> None:
    """Delete the batch of a target, after it was answered or resolved."""
    connection.execute(delete(sent).where(sent.c.target == target))


def unanswered(connection: Connection, target: int) -> list[Sent]:
    """The steps that were sent to a target and not answered."""
    query = select(directories.c.name, sent.c.content).join(directories, directories.c.id == sent.c.directory)
    return [
        structs.replace(step, directory=name)
        for name, content in connection.execute(query.where(sent.c.target == target).order_by(sent.c.directory))
        for step in _steps(_decode(zlib.decompress(content)))
    ]


def _steps(content: list[Sent] | SentCreates) -> Iterable[Sent]:
    if not isinstance(content, SentCreates):
        return content
    creates = Creates(content.kind, content.directory, content.ids, content.keys, content.shapes)
    return (Sent(ref, False, None, change, []) for ref, change in zip(content.refs, creates, strict=True))
