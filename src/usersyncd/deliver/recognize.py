"""The first step of a delivery: finds out which target this is, and so which set of links is about it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Set
from contextlib import AbstractAsyncContextManager, AsyncExitStack
from typing import cast

from msgspec import Struct

from usersyncd.blocking import to_its_end
from usersyncd.deliver.objects import is_readable, read_objects
from usersyncd.deliver.work import Work
from usersyncd.errors import TargetError
from usersyncd.plugin import Inspectable, Kind, Target
from usersyncd.state import links, places, targets
from usersyncd.state.database import Database

ASKED = 100
"""Objects of each kind that are read to find out whether a target moved."""
ENOUGH = 0.5
"""The share of them that has to exist."""
NO_LINKS = 0
"""The number of a set without links, for the plan of a target that was never delivered to."""
MOVED = (
    "the target has moved: its identity is new, but the objects of its links are there. Its links are kept and verified"
)
OTHER = (
    "this is another target than before: its identity is new, and the objects of the links are not there. It gets "
    "links of its own; `usersyncd forget` lists those of the former target"
)
KNOWN = (
    "this is another target than before, but one that was used earlier: its own links are used again and verified; "
    "`usersyncd forget` lists those of the former target"
)
PART = "this is another target than before, but has the same {0}s: their links are kept and verified"


class Recognized(Struct, frozen=True):
    """The set of links that is about a target, by its ``number``. ``moved``: the set is still that of the target's old
    place. ``note``: a warning for a person; None: there is none."""

    number: int
    moved: bool
    note: str | None


async def recognize(work: Work, target: Target) -> Recognized:
    """Find the set of links that is about this target, and note its number in ``work``.

    Raises TargetError, and LockedError when another delivery has a set from which links are to be moved.
    """
    found = await _recognize(
        work.database, target, work.name, work.job.targets, work.at_links, deliver=work.options.deliver
    )
    work.number = found.number
    work.warn(found.note)
    return found


async def _recognize(
    database: Database,
    target: Target,
    name: str,
    configured: Set[str],
    at_links: Callable[[int], AbstractAsyncContextManager[None]],
    *,
    deliver: bool,
) -> Recognized:
    """Find the set of links that is about this target, by the target's own identity.

    If the identity is new, up to a hundred objects of the links that this name used last are read. If at least half of
    them exist, the target has moved: its set begins as a copy, so that the old set still says what the old place holds.
    Otherwise its set begins empty. If the target says that it shares objects with another set, the links to these
    objects are moved from there, even in a plan; everything else is stored only by a delivery (``deliver``).
    ``configured``: the names of all targets. Raises TargetError.
    """
    identity = await target.identity()
    where = await _places(target, identity)

    def known() -> tuple[int | None, int | None, Mapping[Kind, int], bool]:
        with database.read() as connection:
            number = targets.by_identity(connection, identity, name)
            before = targets.by_name(connection, name)
            parts = places.elsewhere(connection, number, where)
            same = number is not None and targets.is_remembered(connection, number, identity, name)
            return number, before, parts, same and places.stored(connection, number or NO_LINKS) == where

    number, before, parts, same = await to_its_end(known)
    if parts:
        await to_its_end(lambda: _verify_alone(database, parts, where, configured - {name}))
        rest = where.keys() - parts.keys()
        moved = number is None and before is not None and await _is_there(database, target, before, rest)
        async with AsyncExitStack() as stack:
            for source in sorted(set(parts.values())):
                await stack.enter_async_context(at_links(source))
            number = await to_its_end(lambda: _take_over(database, identity, name, where, before if moved else None))
        return Recognized(number, False, MOVED if moved else PART.format("s and ".join(sorted(parts, reverse=True))))
    moved = number is None and before is not None and await _is_there(database, target, before, set(Kind))
    note = None if before in (None, number) else MOVED if moved else OTHER if number is None else KNOWN
    if same or not deliver:
        return Recognized((before if moved else number) or NO_LINKS, moved, note)
    number = await to_its_end(lambda: _remember(database, identity, name, where, before if moved else None))
    return Recognized(number, False, note)


def _remember(database: Database, identity: str, name: str, where: Mapping[Kind, str], moved: int | None) -> int:
    with database.write() as connection:
        number = targets.remember(connection, identity, name, moved)
        places.store(connection, number, where)
    return number


async def _places(target: Target, identity: str) -> Mapping[Kind, str]:
    if not target.capabilities.places:
        return dict.fromkeys(Kind, identity)
    return await cast("Inspectable", target).places()


def _verify_alone(database: Database, parts: Mapping[Kind, int], where: Mapping[Kind, str], others: Set[str]) -> None:
    """Raise TargetError if another target of the configuration uses some of these objects, or if changes to them were
    never answered."""
    with database.read() as connection:
        for kind, source in parts.items():
            rest = [f"{one}s" for one in Kind if one not in parts and one in where] or ["memberships"]
            if names := places.users_of(connection, source, others):
                raise TargetError(
                    f"it has the same {kind}s as the target {names[0]}, but not the same {rest[0]}: the links of these "
                    f"{kind}s would be stored twice",
                    "name the same tables in both targets, or different tables in each; if the tables of "
                    f"{names[0]} changed since its last delivery, deliver to it first; nothing was delivered",
                )
            shared = {one for one in parts if parts[one] == source}
            if places.is_unanswered(connection, source) and not places.is_whole(connection, source, shared):
                raise TargetError(
                    f"its last changes were never answered, and it has other {rest[0]} now",
                    f"restore the former {rest[0]} in the configuration for one run; nothing was delivered",
                )


def _take_over(database: Database, identity: str, name: str, where: Mapping[Kind, str], moved: int | None) -> int:
    """Move the links to this target's objects into its set, and return the number of the set. ``moved``: the set whose
    links to all other objects are copied, if the target has moved."""
    with database.write() as connection:
        number = targets.remember(connection, identity, name, None)
        parts = places.elsewhere(connection, number, where)
        if moved is not None:
            places.copy(connection, moved, number, where.keys() - parts.keys())
        for source in sorted(set(parts.values())):
            places.move(connection, source, number, {kind for kind in parts if parts[kind] == source})
        places.store(connection, number, where)
    return number


async def _is_there(database: Database, target: Target, number: int, kinds: Set[Kind]) -> bool:
    """Whether enough of the objects of a set of links exist in the target."""
    if not is_readable(target):
        return False
    with database.read() as connection:
        samples = {kind: links.sample(connection, number, kind, ASKED) for kind in kinds}
    existing = 0
    for kind, keys in samples.items():
        objects = await read_objects(target, kind, keys)
        # Another database assigns the same serial ids, so an object counts only if it has its key too.
        existing += sum(str(held.key) == keys[target_id] for target_id, held in objects.items())
    asked = sum(map(len, samples.values()))
    return asked > 0 and existing >= ENOUGH * asked
