"""Who the ends of memberships are: id, key in the target, and whether they are there once the plan is delivered."""

from __future__ import annotations

from collections.abc import Iterable

import msgspec
from msgspec import Struct
from sqlalchemy import Connection, select

from usersyncd.plugin import Member
from usersyncd.state.bulk import batched
from usersyncd.state.database import among
from usersyncd.state.planned import Plan
from usersyncd.state.spool import KIND
from usersyncd.state.tables import delivered, records

REMEMBERED = 100_000
"""How many are remembered at a time, so that memory stays flat."""
ASKED = 10_000


class Known(Struct, frozen=True, gc=False):
    """A record that the target holds now, or will hold: ``here`` says whether it does once the plan is delivered."""

    member: Member
    here: bool


class People:
    """Looks up many refs at once; what was found is remembered for a while."""

    def __init__(self, connection: Connection, target: str, plan: Plan) -> None:
        self._connection = connection
        self._target = target
        self._plan = plan
        self._known: dict[int, Known | None] = {}

    def of(self, refs: set[int]) -> dict[int, Known | None]:
        """At least these; None for one that the target neither holds nor will hold."""
        if len(self._known) > REMEMBERED:
            self._known.clear()
        for some in batched(refs - self._known.keys(), ASKED):
            self._known.update(dict.fromkeys(some))
            self._ask(some)
        return self._known

    def _ask(self, refs: Iterable[int]) -> None:
        query = (
            select(records.c.ref, records.c.kind, records.c.id, delivered.c.key, delivered.c.left_at)
            .join(delivered, delivered.c.ref == records.c.ref)
            .where(delivered.c.target == self._target, among(self._connection, delivered.c.ref, list(refs)))
        )
        for ref, kind, id_, key, left_at in self._connection.execute(query):
            self._known[ref] = Known(Member(KIND[kind], id_, msgspec.json.decode(key)), left_at is None)
        for claim in self._plan.claims(refs):
            held = self._known[claim.ref]
            key = claim.key if claim.key is not None else held.member.key if held else claim.id
            self._known[claim.ref] = Known(Member(claim.kind, claim.id, key), claim.here)
