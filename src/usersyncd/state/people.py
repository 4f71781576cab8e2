"""Looks up the members of groups for a plan: id, key and target id, and whether the target will hold them after it."""

from __future__ import annotations

from collections.abc import Set

import msgspec
from sqlalchemy import Connection, select

from usersyncd.plugin import Member
from usersyncd.state.bulk import batched
from usersyncd.state.columns import KIND
from usersyncd.state.database import among
from usersyncd.state.links import member
from usersyncd.state.plan_store import PlanStore
from usersyncd.state.tables import links, records

REMEMBERED = 150_000
"""The largest number of people in the cache, about 30 MB. Groups list their members in any order, so a small cache
reads people again and again: with 50,000, that took an eighth of a plan's time for 100,000 people."""
BATCH = 10_000
"""How many people are looked up at a time."""


class People:
    """A cache of records as members, by ref.

    ``members``: the records that were looked up; None for one that has no object before or after the plan. ``here``:
    those that can be members after the plan. ``missing``: refs of records whose objects do not exist.
    """

    def __init__(self, connection: Connection, target: int, plan: PlanStore, missing: Set[int] = frozenset()) -> None:
        self._connection = connection
        self._target = target
        self._plan = plan
        self._missing = missing
        self.members: dict[int, Member | None] = {}
        self.here: set[int] = set()

    def learn(self, refs: set[int]) -> None:
        """Look these records up, unless the cache has them."""
        if len(self.members) > REMEMBERED:
            self.members.clear()
            self.here.clear()
        for batch in batched(refs.difference(self.members), BATCH):
            self.members.update(dict.fromkeys(batch))
            self._load(batch)

    def _load(self, refs: list[int]) -> None:
        query = (
            select(records.c.ref, records.c.kind, records.c.id, links.c.key, links.c.left_at, links.c.target_id)
            .join(links, links.c.ref == records.c.ref)
            .where(links.c.target == self._target, among(self._connection, links.c.ref, refs))
        )
        for ref, kind, id_, key, left_at, target_id in self._connection.execute(query):
            if ref in self._missing:
                continue
            self.members[ref] = member(KIND[kind], id_, msgspec.json.decode(key), target_id)
            if left_at is None:
                self.here.add(ref)
            if ref in self._plan.strangers:
                self.members[ref] = None
                self.here.discard(ref)
        for claim in self._plan.claims.of_records(refs):
            if claim.key is not None:
                self.members[claim.ref] = member(claim.kind, claim.id, claim.key, self._target_id(claim.ref))
            (self.here.add if claim.here else self.here.discard)(claim.ref)

    def _target_id(self, ref: int) -> str | None:
        known = self.members.get(ref)
        return None if known is None else known.target_id
