"""Refuses the answers to creates that name the object of another record."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from msgspec import Struct

from usersyncd.plugin import Kind, Op, Outcome
from usersyncd.state import links
from usersyncd.state.database import Database
from usersyncd.state.planned import Batch, PlannedCreates

REMEDY = "give each of them an address and a login of its own: the target seems to know people by them"


class Created(Struct, frozen=True):
    """A record and the object that a target says it created: the ``place`` of its outcome, and the target id."""

    place: int
    kind: Kind
    ref: int
    id: str
    directory: str
    target_id: str


class Ownership:
    """The objects of one target, each the object of one record."""

    def __init__(self, database: Database, target: int) -> None:
        self._database = database
        self._target = target

    def check(self, steps: Batch, answered: list[Outcome]) -> set[int]:
        """Replace each outcome of a create with an error if its object is that of another record, or of a create before
        it in this batch. Returns the refs of the records that have these objects: the target may have changed them."""
        created = list(_created(steps, answered))
        owners = self._owners(created, _ended(steps, answered))
        found: set[int] = set()
        for one in created:
            ref, id_, directory = owners.setdefault((one.kind, one.target_id), (one.ref, one.id, one.directory))
            if ref != one.ref:
                answered[one.place] = Outcome(
                    error=f"the target answered with {one.kind} {one.target_id}, the object of {one.kind} {id_} of "
                    f"{directory}\n  → {REMEDY}"
                )
                found.add(ref)
        return found

    def _owners(self, created: Sequence[Created], ended: set[int]) -> dict[tuple[Kind, str], tuple[int, str, str]]:
        found: dict[tuple[Kind, str], tuple[int, str, str]] = {}
        with self._database.read() as connection:
            for kind in Kind:
                target_ids = [one.target_id for one in created if one.kind is kind]
                for owner in links.owners(connection, self._target, kind, None, (), target_ids):
                    if owner.ref not in ended and owner.target_id is not None:
                        found[kind, owner.target_id] = owner.ref, owner.id, owner.directory
        return found


def _created(steps: Batch, answered: Sequence[Outcome]) -> Iterator[Created]:
    if isinstance(steps, PlannedCreates):
        creates = steps.creates
        for place, (ref, id_, outcome) in enumerate(zip(steps.refs, creates.ids, answered, strict=False)):
            if outcome.target_id is not None:
                yield Created(place, creates.kind, ref, id_, creates.directory, outcome.target_id)
        return
    sent = ((step.ref, step.change) for step in steps if step.change is not None)
    for place, ((ref, change), outcome) in enumerate(zip(sent, answered, strict=False)):
        if change.op is Op.CREATE and outcome.target_id is not None:
            yield Created(place, change.kind, ref, change.id, change.directory, outcome.target_id)


def _ended(steps: Batch, answered: Sequence[Outcome]) -> set[int]:
    """The refs of the records of whose objects the target said in this batch that they do not exist any more."""
    if isinstance(steps, PlannedCreates):
        return set()
    sent = ((step.ref, step.change) for step in steps if step.change is not None)
    return {
        ref
        for (ref, change), outcome in zip(sent, answered, strict=False)
        if outcome.error is None and not change.members and (change.op is Op.DELETE or outcome.absent)
    }
