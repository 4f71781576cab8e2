"""What a person approves or rejects: harmful changes, each by its *identity*.

The identity of a harmful change contains no values and no numbers of the state database. So it stays the same while
other things change, and no change of another person or by another operation has it.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Set
from datetime import datetime, timedelta

from msgspec import Struct, json

from usersyncd.core.digest import encode
from usersyncd.core.guard import EMPTIED, REMOVAL, Harm, Sort, harms_of
from usersyncd.core.plan import PREFIX, Hash
from usersyncd.plugin import Change, Member, Op

LASTS = timedelta(days=1)
"""How long an approval lets changes through."""
_FIRST = "first delivery"
_EVERY_SORT = frozenset(Sort)


# ---- identities


def identity(change: Change, harm: Harm | None = None) -> str:
    """The identity of what a change does to its record: kind, id and operation, as JSON. The emptied attribute or the
    adopted object is part of it: emptying another attribute, or adopting another object, is another change."""
    parts: list[str | None] = [change.kind, change.id, change.op]
    if harm is not None and harm.sort is Sort.BLANKED:
        parts.append(harm.attribute)
    elif change.op is Op.ADOPT:
        parts.append(change.target_id)
    return encode(parts).decode()


def member_identity(change: Change, member: Member) -> str:
    """The identity of one membership that a change adds or removes."""
    return encode([change.kind, change.id, change.op, member.kind, member.id]).decode()


def harmful(change: Change, sorts: Set[Sort] = _EVERY_SORT, *, emptied: bool = False) -> Iterator[tuple[Harm, str]]:
    """The harms of these sorts that a change does to its record, each with its identity. ``emptied``: the change
    removes the last member of a group."""
    if change.op is Op.REMOVE:
        if emptied and Sort.EMPTIED in sorts:
            yield EMPTIED, identity(change)
        return
    yield from ((harm, identity(change, harm)) for harm in harms_of(change) if harm.sort in sorts)


def removals(change: Change, sorts: Set[Sort] = _EVERY_SORT) -> list[str]:
    """The identities of the memberships that a change removes, in their order; empty if they have no limit."""
    if change.op is not Op.REMOVE or REMOVAL.sort not in sorts:
        return []
    return [member_identity(change, member) for member in change.members]


def first_delivery(plan: str) -> str:
    """The identity of a first delivery that is held until it is approved. It contains the hash of the ``plan``, so that
    a person approves what was shown, and nothing else."""
    return encode([_FIRST, plan]).decode()


def is_first_delivery(one: str) -> bool:
    """Whether an identity is that of a first delivery."""
    return one.startswith(f'["{_FIRST}"')


class NamedMember(Struct, frozen=True):
    """The member of a group."""

    kind: str
    id: str


class NamedChange(Struct, frozen=True):
    """The parts of an identity. ``kind`` None: the first delivery. ``op`` ``remove`` without a ``member``: the group
    loses its last member. ``attribute``: the emptied attribute; ``object``: the target id of the adopted object."""

    op: str
    kind: str | None = None
    id: str | None = None
    member: NamedMember | None = None
    attribute: str | None = None
    object: str | None = None

    def __str__(self) -> str:
        """``deactivate user u1``, ``remove user u1 from group g1``, ``update user u1: title is emptied``"""
        if self.kind is None:
            return self.op
        record = f"{self.kind} {self.id}"
        if self.op == Op.REMOVE:
            member = "the last member" if self.member is None else f"{self.member.kind} {self.member.id}"
            return f"remove {member} from {record}"
        return f"{self.op} {record}" + (f": {self.attribute} is emptied" if self.attribute else "")


def named(one: str) -> NamedChange:
    """The parts of an identity."""
    if is_first_delivery(one):
        return NamedChange(_FIRST)
    kind, id_, op, *more = json.decode(one, type=list[str])
    if op == Op.REMOVE and more:
        return NamedChange(op, kind, id_, NamedMember(*more))
    detail = more[0] if more else None
    return NamedChange(
        op, kind, id_, attribute=detail if op == Op.UPDATE else None, object=detail if op == Op.ADOPT else None
    )


def hash_of(target: str, directory: str, identities: Iterable[str]) -> str:
    """The hash of harmful changes: equal for equal identities of one directory in one target."""
    made = Hash()
    made.add(encode([target, directory]))
    for one in sorted(identities):
        made.add(f"\n{one}".encode())
    return str(made)


SHOWN = 12
"""How many digits of a hash a person is shown."""


def digits(hash_: str) -> str:
    """A hash without its prefix."""
    return hash_.lower().removeprefix(PREFIX)


def short(hash_: str) -> str:
    """The first digits of a hash, as a person is shown it."""
    return digits(hash_)[:SHOWN]


def command(hash_: str) -> str:
    """The command that shows what is held and asks."""
    return f"usersyncd approve {short(hash_)}"


# ---- decisions


class Decision(Struct, frozen=True):
    """One decision of a person. ``number``: its own; ``by``: the name of the person; ``at``: when; ``hash``: that of
    the changes that the person was shown."""

    number: int
    approved: bool
    by: str
    at: datetime
    reason: str | None
    hash: str

    def is_in_force(self, now: datetime) -> bool:
        """Whether it still counts. An approval ends after a day. A time in the future counts like one in the past, in
        case a clock was wrong."""
        return not self.approved or abs(now - self.at) < LASTS


class Decisions(Struct, frozen=True):
    """The decisions in force about one directory in one target: the identities of the changes, each with its
    decision."""

    approved: dict[str, Decision] = {}
    rejected: dict[str, Decision] = {}

    def __bool__(self) -> bool:
        return bool(self.approved or self.rejected)


UNDECIDED = Decisions()


class Approved(Struct, frozen=True):
    """The part of a change that a person approved: harms to its record, and the refs of removed members."""

    harms: frozenset[Harm] = frozenset()
    members: frozenset[int] = frozenset()


NOTHING_APPROVED = Approved()


def approved_part(
    change: Change, members: Collection[int], approved: Mapping[str, Decision], *, emptied: bool
) -> Approved:
    """The part of a change that is approved. ``members``: the refs of its members, in their order."""
    if not approved:
        return NOTHING_APPROVED
    harms = frozenset(harm for harm, one in harmful(change, emptied=emptied) if one in approved)
    pairs = zip(members, removals(change), strict=False)
    return Approved(harms, frozenset(ref for ref, one in pairs if one in approved))


def decided(change: Change, *, emptied: bool) -> Iterator[str]:
    """The identities under which a delivered change may have been decided."""
    if change.members:
        yield from (member_identity(change, member) for member in change.members)
        yield from (one for _, one in harmful(change, emptied=emptied))
        return
    yield identity(change)
    yield from (one for harm, one in harmful(change) if harm.sort is Sort.BLANKED)
