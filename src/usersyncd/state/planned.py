"""The steps of a plan, one by one or as columns, and how the plan's temporary database holds them.

A row holds the columns of a change. Those of a create are stored again without being decoded: in the target's links and
in the journal.
"""

from __future__ import annotations

from array import array
from collections.abc import Iterable, Iterator, Sequence
from itertools import repeat
from typing import Any

import msgspec
from msgspec import Struct

from usersyncd.core.digest import encode, pack, unpack
from usersyncd.core.graph import NOBODY
from usersyncd.core.plan import Section, kind_of, section
from usersyncd.plugin import Change, Creates, Kind, Member, Op
from usersyncd.state.columns import decode

COLUMNS = (
    "section", "chain", "directory", "id", "part", "ref", "left", "takes", "op", "key", "before", "after", "target_id",
    "active", "people", "members", "counted",
)  # fmt: skip
"""``people``: the members as JSON; ``members``: their refs. ``active``: see :func:`is_active`."""
ORDER = "section, chain, directory, id, part"
QUIET = -1
"""The section of the steps that change a link only, and send nothing to the target."""

Row = tuple[Any, ...]

_key = msgspec.json.Decoder(str | int).decode
_people = msgspec.json.Decoder(tuple[Member, ...]).decode
_OPS = {op.value: op for op in Op}


class PlannedChange(Struct, frozen=True, gc=False):
    """One step of a plan.

    ``ref``: the record; ``left``: it is a leaver after this step; ``takes``: the leaver whose object it adopts.
    ``change`` None: nothing is sent to the target. ``members``: the refs of a membership change's members, in order.
    ``chain``: the number of the chain of keys that the step belongs to; 0 for none.
    """

    ref: int
    left: bool
    takes: int | None
    change: Change | None
    members: array[int]
    chain: int = 0
    fallback: bool = False
    """Delivered only if the adoption of the object was refused."""
    part: int = 0
    """The number of this part, if the members of a group are added or removed in several changes."""
    counted: bool = True
    """The guard counts it. False for an adoption that a person allowed, and in a first delivery."""


class PlannedCreates(Struct, frozen=True):
    """Many creates of one plan as columns: the ``refs`` of the records, the ``creates`` themselves, and whether each
    object is ``active``."""

    refs: Sequence[int]
    creates: Creates
    active: Sequence[int]

    def __len__(self) -> int:
        return len(self.refs)

    def steps(self) -> list[PlannedChange]:
        """The same creates one by one."""
        return [
            PlannedChange(ref, False, None, change, NOBODY) for ref, change in zip(self.refs, self.creates, strict=True)
        ]


Batch = PlannedCreates | list[PlannedChange]
"""Steps that are delivered together."""


def is_active(shape: dict[str, Any]) -> bool:
    """Whether an object with this shape has access."""
    return shape.get("active") is not False


def row(ref: int, change: Change, *, left: bool = False, part: int = 0, members: array[int] = NOBODY) -> Row:
    """The row of a step that sends a change."""
    before, after = change.before, change.after
    return (
        int(section(change, left=left)), 0, change.directory, change.id, part, ref, left, None, change.op.value,
        encode(change.key).decode(), None if before is None else encode(before).decode(),
        None if after is None else encode(after).decode(), change.target_id, after is None or is_active(after),
        encode(change.members).decode() if members else None, pack(members) if members else None, True,
    )  # fmt: skip


def quiet_row(ref: int, directory: str, id_: str, *, left: bool) -> Row:
    """The row of a step that changes a link only."""
    return (QUIET, 0, directory, id_, ref, ref, left, *repeat(None, 9), True)


def create_rows(planned: PlannedCreates) -> Iterator[Row]:
    """The rows of creates."""
    creates = planned.creates
    place = int(Section.USERS_NEW if creates.kind is Kind.USER else Section.GROUPS_NEW)
    return zip(
        repeat(place), repeat(0), repeat(creates.directory), creates.ids, repeat(0), planned.refs, repeat(False),
        repeat(None), repeat(Op.CREATE.value), creates.keys, repeat(None), creates.shapes, repeat(None),
        planned.active, repeat(None), repeat(None), repeat(True),
    )  # fmt: skip


def step_of(row: Row) -> PlannedChange:
    """The step in a row with all columns."""
    place, chain, directory, id_, part, ref, left, takes, *columns, _, people, members, counted = row
    change = None if place == QUIET else _change(place, directory, id_, columns, people)
    refs = unpack("I", members) if members else NOBODY
    return PlannedChange(ref, bool(left), takes, change, refs, chain, part=part, counted=bool(counted))


def _change(place: int, directory: str, id_: str, columns: Sequence[Any], people: str | None) -> Change:
    op, key, before, after, target_id = columns
    return Change(
        _OPS[op], kind_of(Section(place)), directory, id_, _key(key), before and decode(before),
        after and decode(after), _people(people) if people else (), target_id,
    )  # fmt: skip


def creates(kind: Kind, directory: str, rows: Iterable[Row]) -> PlannedCreates:
    """Creates from rows of ref, id, key, shape and active."""
    refs, ids, keys, shapes, active = zip(*rows, strict=True)
    return PlannedCreates(refs, Creates(kind, directory, ids, keys, shapes), active)
