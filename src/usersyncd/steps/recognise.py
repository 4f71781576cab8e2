"""Before everything else at a target: which one it is, and so which links are about it."""

from __future__ import annotations

from msgspec import Struct

from usersyncd.plugin import Kind, Target
from usersyncd.state import links, targets
from usersyncd.state.database import Database
from usersyncd.steps.look import read, sees

ASKED = 100
"""Objects of each kind that are read to find out whether a target moved."""
ENOUGH = 0.5
"""The share of them that has to exist."""
NOTHING = 0
"""The number of a set that has no links: a plan of a target that was never delivered to."""
MOVED = (
    "the target has moved: its identity is new, and the objects of its links are there. Its links are kept, and "
    "verified"
)
OTHER = (
    "this is another target than before: its identity is new, and the objects of the links are not there. It gets "
    "links of its own; `usersyncd forget` lists those of the other one"
)
KNOWN = (
    "this is another target than before, and was known earlier: its own links are used again, and verified; `usersyncd "
    "forget` lists those of the other one"
)


class Recognised(Struct, frozen=True):
    """The ``number`` of the set of links that are about a target. ``moved``: the set is still that of the place where
    the target was before. ``note``: what a person should know, if anything."""

    number: int
    moved: bool
    note: str | None


async def recognise(database: Database, target: Target, name: str, *, deliver: bool) -> Recognised:
    """Which set of links is about this target.

    It depends on the target's own identity. For a new identity, objects of the links that this name used last are read.
    If at least half of them exist, the target moved: its set begins as a copy, so that the old one still says what the
    old place holds. Otherwise it begins empty. Without ``deliver`` nothing is stored. Raises TargetError.
    """
    identity = await target.identity()
    with database.read() as connection:
        number = targets.by_identity(connection, identity, name)
        before = targets.by_name(connection, name)
    moved = number is None and before is not None and await _is_there(database, target, before)
    note = None if before in (None, number) else MOVED if moved else OTHER if number is None else KNOWN
    if not deliver:
        return Recognised((before if moved else number) or NOTHING, moved, note)
    with database.write() as connection:
        number = targets.remember(connection, identity, name, before if moved else None)
    return Recognised(number, False, note)


async def _is_there(database: Database, target: Target, number: int) -> bool:
    if not sees(target):
        return False
    with database.read() as connection:
        wanted = {kind: links.sample(connection, number, kind, ASKED) for kind in Kind}
    there = 0
    for kind, keys in wanted.items():
        held = await read(target, kind, keys)
        # Another database assigns the same serial ids, so an object counts only with its key.
        there += sum(str(one.key) == keys[target_id] for target_id, one in held.items())
    asked = sum(map(len, wanted.values()))
    return asked > 0 and there >= ENOUGH * asked
