"""A part of the plan: one key belongs to one record. Two who claim the same are named, both, and nothing is done."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from msgspec import Struct
from sqlalchemy import Connection, select

from usersyncd.core.digest import encode
from usersyncd.plugin import Kind, Layout
from usersyncd.state.database import among
from usersyncd.state.planned import Claim, Plan
from usersyncd.state.spool import NUMBER
from usersyncd.state.subjects import Scope
from usersyncd.state.tables import delivered, directories, records

PAGE = 5_000


class Clash(Struct, frozen=True):
    """A record that claims another's key."""

    ref: int
    id: str
    why: str


class Holder(Struct, frozen=True):
    """Who has a key in the target now. ``left``: a leaver, whose key is free to be taken over."""

    ref: int
    id: str
    directory: str
    left: bool


def settle(connection: Connection, scope: Scope, plan: Plan, kind: Kind, layout: Layout) -> Iterator[Clash]:
    """Take those out of the plan who claim a key that is another's, and let the others have the keys of leavers.

    A person who comes back under a new id takes over what the target still keeps of the leaver.
    """
    if not layout.ruled and layout.key == "id":
        return  # Ids are unique in their directory, and such a target keeps directories apart.
    for claims in plan.contested(kind):
        for claim in claims:
            others = ", ".join(f"{kind} {other.id}" for other in claims if other is not claim)
            plan.drop(claim.ref)
            yield Clash(claim.ref, claim.id, f"its {layout.key} {claim.key!r} is also that of {others}")
    taken: list[tuple[int, int]] = []
    clashes: list[Clash] = []
    for page in plan.claimed(kind, PAGE):
        held = _holders(connection, scope, kind, page, ruled=layout.ruled)
        moving = {claim.ref: claim for claim in plan.claims(holder.ref for some in held.values() for holder in some)}
        for claim in page:
            for holder in held.get(encode(claim.key).decode(), ()):
                move = moving.get(holder.ref)
                if holder.ref == claim.ref or (move is not None and move.here):
                    continue
                if holder.left or move is not None:
                    taken.append((claim.ref, holder.ref))
                else:
                    whose = f"{kind} {holder.id}" + (f" of {holder.directory}" if layout.ruled else "")
                    clashes.append(
                        Clash(claim.ref, claim.id, f"its {layout.key} {claim.key!r} belongs to {whose} already")
                    )
    for ref, other in taken:
        plan.take(ref, other)
    for clash in clashes:
        plan.drop(clash.ref)
        yield clash


def _holders(
    connection: Connection, scope: Scope, kind: Kind, page: Sequence[Claim], *, ruled: bool
) -> dict[str, list[Holder]]:
    query = (
        select(delivered.c.key, delivered.c.ref, records.c.id, directories.c.name, delivered.c.left_at)
        .join(records, records.c.ref == delivered.c.ref)
        .join(directories, directories.c.id == records.c.directory)
        .where(
            delivered.c.target == scope.target,
            delivered.c.kind == NUMBER[kind],
            among(connection, delivered.c.key, [encode(claim.key).decode() for claim in page]),
        )
    )
    if not ruled:
        query = query.where(records.c.directory == scope.directory)
    found: dict[str, list[Holder]] = {}
    for key, ref, id_, directory, left_at in connection.execute(query):
        found.setdefault(key, []).append(Holder(ref, id_, directory, left_at is not None))
    return found
