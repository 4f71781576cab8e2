"""The batch that was sent to a target and has no answer yet: what the next run looks up when the process dies."""

from __future__ import annotations

from collections.abc import Iterable

import msgspec
from msgspec import Struct, structs
from sqlalchemy import Connection, delete, select

from usersyncd.plugin import Change
from usersyncd.state import bulk
from usersyncd.state.planned import Planned
from usersyncd.state.tables import directories, sent


class Sent(Struct, frozen=True, array_like=True):
    """One step of such a batch: the record's ref, whether it is a leaver's from then on, the leaver whose object it
    adopts, the change (of memberships without the members), and the refs of a membership change's members."""

    ref: int
    left: bool
    takes: int | None
    change: Change
    members: list[int]


_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(list[Sent]).decode


def write(connection: Connection, target: int, directory: int, steps: Iterable[Planned]) -> None:
    """Write a batch that is about to be sent. There is one at a time."""
    content = [
        (step.ref, step.left, step.takes, _change(step), step.members.tolist())
        for step in steps
        if step.change is not None
    ]
    row = (target, directory, _encode(content))
    bulk.upsert(connection, sent, ("target", "directory", "content"), [row])


def _change(step: Planned) -> Change | msgspec.Raw:
    if step.change is not None and step.members:
        return structs.replace(step.change, members=())
    return msgspec.Raw(step.encoded)


def clear(connection: Connection, target: int, directory: int) -> None:
    """The batch was answered, or settled."""
    connection.execute(delete(sent).where(sent.c.target == target, sent.c.directory == directory))


def unanswered(connection: Connection, target: int, directory: int) -> list[Sent]:
    """The steps that a run of this directory sent, and that were never answered."""
    content = connection.scalar(select(sent.c.content).where(sent.c.target == target, sent.c.directory == directory))
    return _decode(content) if content else []


def elsewhere(connection: Connection, target: int, directory: int) -> dict[str, list[Sent]]:
    """The unanswered steps of the other directories, by their names."""
    query = select(directories.c.name, sent.c.content).join(directories, directories.c.id == sent.c.directory)
    rows = connection.execute(query.where(sent.c.target == target, sent.c.directory != directory))
    return {name: _decode(content) for name, content in rows}
