"""Decides whether a record gets a key: by creating an object, by adopting one, or not at all.

A record *claims* a key when it is new to a target, or when its key there changes. The verdict depends on the records
that hold the key by their links, and on the objects that the target holds under it. An object passes to another record
only in the cases that this module names.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from enum import Enum, auto

from msgspec import Struct, field

from usersyncd.core.model import Adopt
from usersyncd.plugin import Held, Kind, Value

DEACTIVATED: Mapping[str, Value] = {"active": False}
"""The attributes of an object without access, unless the application uses others."""


class Going(Enum):
    """What the plan does with the record that holds a key.

    ``STAYS``: it keeps the key. ``MOVES``: it gets another key. ``LEAVES``: it leaves in this plan;
    ``LEAVES_DELETED``: and its object is deleted. ``LEFT``: it left before; ``LEFT_DELETED``: and its object is deleted
    in this plan. ``RETURNS``: it left and returned, and was not delivered since.
    """

    STAYS = auto()
    MOVES = auto()
    LEAVES = auto()
    LEAVES_DELETED = auto()
    LEFT = auto()
    LEFT_DELETED = auto()
    RETURNS = auto()


class Holder(Struct, frozen=True):
    """A record that holds a key in the target by its link. ``target_id``: of its object; ``key``: the one of the link;
    ``revision``: the last pull that changed the record, or in which it left."""

    ref: int
    id: str
    directory: str
    going: Going
    target_id: str | None = None
    revision: int = 0
    key: str | int | None = None


class Found(Struct, frozen=True):
    """An object that the target holds under a claimed key, or that names the claiming record.

    ``exact``: its key is identical to the claimed one, not only equal for the target. ``mine``: the object names the
    claiming record. ``owner``: the record that is linked to it.
    """

    held: Held
    exact: bool
    mine: bool
    protected: bool
    owner: Holder | None


def is_active(held: Held, off: Mapping[str, Value] = DEACTIVATED, on: Mapping[str, Value] | None = None) -> bool:
    """Whether the person of an object has access: ``active`` is true, or the target has no such attribute. ``off``: the
    attributes of an object without access, if the application uses others; ``on``: those of an object with access, if
    the rules give them as constants."""
    if off == DEACTIVATED or not off:
        return held.attributes.get("active", True) in (True, 1, "true")
    if on:
        return on.items() <= held.attributes.items()
    return not off.items() <= held.attributes.items()


class Claimant(Struct, frozen=True):
    """A record that claims ``key``. ``new``: it has no link yet. ``consent``: a person agreed to adopt. ``revision``:
    the last pull that changed it."""

    ref: int
    kind: Kind
    id: str
    directory: str
    key: str | int
    new: bool
    consent: bool
    revision: int = 0


class Policy(Struct, frozen=True):
    """What is adopted without a person's consent.

    ``opening``: no delivery of this directory to this target was completed yet, or the directory is expected to push
    everything; ``adopt: first`` applies only then. ``pushes``: the directory pushes.
    ``attribute`` is the name of the key. ``ruled``: all directories share the keys. ``off``, ``on``: see
    :func:`is_active`.
    """

    adopt: Adopt
    opening: bool
    attribute: str
    ruled: bool
    off: Mapping[str, Value] = field(default_factory=lambda: DEACTIVATED)
    on: Mapping[str, Value] = {}
    pushes: bool = False


class Verdict(Struct, frozen=True):
    """The decision on a claim.

    ``error``: the claim is refused. ``adopts``: the object to adopt instead of creating one; ``takes``: the leaver that
    loses its link to this object; ``counted``: the guard counts the adoption. ``waits_for``: records whose keys have to
    change first; ``frees``: leavers whose objects have to be deleted first.
    """

    error: str | None = None
    adopts: Held | None = None
    takes: int | None = None
    counted: bool = False
    waits_for: tuple[int, ...] = ()
    frees: tuple[int, ...] = ()


PLAIN = Verdict()


def judge(claimant: Claimant, holders: Sequence[Holder], found: Sequence[Found], policy: Policy) -> Verdict:
    """The verdict on one claim. ``holders`` hold the key by their links; ``found`` are the objects in the target."""
    others = [one for one in found if one.owner is None or one.owner.ref != claimant.ref]
    mine = [one for one in others if one.mine and one.owner is None]
    exact = [one for one in others if one.exact]
    named = f"its {policy.attribute} {claimant.key!r}"
    if any(one.protected for one in (*mine, *exact)):
        return Verdict(
            f"{named} is that of an object that `protect` names\n"
            f"  → correct its {policy.attribute} in the directory, or take the object out of `protect`"
        )
    if mine and claimant.new:
        return _relinked(mine, named)
    if len(exact) > 1:
        ids = ", ".join(one.held.target_id for one in exact[:3])
        return Verdict(
            f"the target holds {len(exact)} objects with {named[4:]} ({ids})\n"
            "  → give all but one of them another key, or delete them"
        )
    if exact:
        return _held_exactly(claimant, exact[0], named, policy)
    if others:
        return _equal_keys(claimant, others, named, policy)
    return _not_held(claimant, holders, named, policy)


def _relinked(mine: Sequence[Found], named: str) -> Verdict:
    if len(mine) > 1:
        return Verdict(f"the target holds {len(mine)} objects of this record: {named[4:]}")
    return Verdict(adopts=mine[0].held)


def _held_exactly(claimant: Claimant, found: Found, named: str, policy: Policy) -> Verdict:
    """The verdict if an object has exactly this key."""
    owner = found.owner
    if owner is None:
        return _held_unlinked(claimant, found, named, policy)
    if owner.going is Going.MOVES:
        return Verdict(waits_for=(owner.ref,))
    if owner.going is Going.LEFT_DELETED or (owner.going is Going.LEAVES_DELETED and not claimant.new):
        return Verdict(frees=(owner.ref,))
    whose = _whose(claimant, owner, policy)
    if owner.going is Going.STAYS:
        return _taken(claimant, owner, named, policy)
    if owner.going is Going.RETURNS:
        return Verdict(
            f"{named} is that of {whose}, who left and returned, and was not delivered since\n"
            f"  → see why in the last run of {owner.directory}"
        )
    if not claimant.new:
        return Verdict(f"{named} is still that of {whose}, who left\n  → delete that object, or give it another key")
    if claimant.consent:
        return Verdict(adopts=found.held, takes=owner.ref)
    if policy.adopt != "never" and _is_id_change(claimant, owner):
        return Verdict(adopts=found.held, takes=owner.ref, counted=True)
    return Verdict(f"{named} is that of {whose}, who left\n  → {_consent(claimant)}")


def _is_id_change(claimant: Claimant, owner: Holder) -> bool:
    """Whether one record of a directory left and another one got its key in the same pull."""
    leaves = owner.going in (Going.LEAVES, Going.LEAVES_DELETED)
    mine = claimant.directory, claimant.revision, claimant.key
    return leaves and (owner.directory, owner.revision, owner.key) == mine


def _held_unlinked(claimant: Claimant, found: Found, named: str, policy: Policy) -> Verdict:
    """The verdict if the object with this key has no link: whether it is adopted."""
    if not claimant.new:
        return Verdict(
            f"{named} is that of an object in the target that has no link\n"
            "  → delete that object, or give it another key"
        )
    if claimant.consent:
        return Verdict(adopts=found.held)
    active = is_active(found.held, policy.off, policy.on)
    if active and policy.adopt == "always":
        return Verdict(adopts=found.held, counted=not policy.opening)
    if active and policy.adopt == "first" and policy.opening:
        return Verdict(adopts=found.held)
    state = "" if active else "inactive "
    window = _window(claimant, policy) if active else ""
    return Verdict(
        f"{named} is that of an {state}object in the target that has no link\n  → {_consent(claimant)}{window}"
    )


def _window(claimant: Claimant, policy: Policy) -> str:
    """How a directory that pushes adopts all accounts that the target had before it."""
    if policy.adopt != "first" or not policy.pushes:
        return ""
    return (
        f"; while a directory that pushes is set up, `usersyncd expect {claimant.directory} --full-push` lets "
        "`adopt: first` apply to what it sends"
    )


def _equal_keys(claimant: Claimant, found: Sequence[Found], named: str, policy: Policy) -> Verdict:
    """The verdict if the target only treats the keys of other objects as equal to this one."""
    waits = []
    for one in found:
        if one.owner is None or one.owner.going is not Going.MOVES:
            whose = "an object that has no link" if one.owner is None else _whose(claimant, one.owner, policy)
            return Verdict(
                f"the target treats {named} as equal to {one.held.key!r}, the key of {whose}\n"
                "  → give one of the two another key"
            )
        waits.append(one.owner.ref)
    return Verdict(waits_for=tuple(waits))


def _not_held(claimant: Claimant, holders: Sequence[Holder], named: str, policy: Policy) -> Verdict:
    """The verdict if the target holds no object under the key. A link may still hold it."""
    others = [holder for holder in holders if holder.ref != claimant.ref]
    for holder in others:
        if holder.going is Going.STAYS:
            return _taken(claimant, holder, named, policy)
    return Verdict(waits_for=tuple(holder.ref for holder in others if holder.going is Going.MOVES))


def _taken(claimant: Claimant, holder: Holder, named: str, policy: Policy) -> Verdict:
    what = f"{named} belongs to {_whose(claimant, holder, policy)} already"
    if holder.directory == claimant.directory:
        return Verdict(f"{what}\n  → correct one of the two in the directory")
    return Verdict(
        f"{what}\n  → correct one of the two; if {holder.id} gave it up, sync {holder.directory} and "
        f"{claimant.directory} together"
    )


def _whose(claimant: Claimant, holder: Holder, policy: Policy) -> str:
    return f"{claimant.kind} {holder.id}" + (f" of {holder.directory}" if policy.ruled else "")


def _consent(claimant: Claimant) -> str:
    return (
        f"check whose it is; to adopt it for this {claimant.kind}: "
        f"`usersyncd sync {claimant.directory} --adopt {claimant.id}`"
    )
