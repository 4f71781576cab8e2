"""A target: what it gets and answers, what it is given, and its methods."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from enum import StrEnum
from typing import Any, ClassVar, Literal, Protocol, runtime_checkable

from msgspec import Struct
from pydantic import BaseModel

from usersyncd.plugin.context import Context
from usersyncd.plugin.records import Kind, Value


class Op(StrEnum):
    """What a change does. The first six are for users (groups: create, adopt, update, delete), the last two for
    memberships."""

    CREATE = "create"
    ADOPT = "adopt"
    UPDATE = "update"
    DEACTIVATE = "deactivate"
    REACTIVATE = "reactivate"
    DELETE = "delete"
    ADD = "add"
    REMOVE = "remove"


class Member(Struct, frozen=True, gc=False):
    """One end of a membership change: the record's id in its directory, its key in this target, and its target id
    (None only in a plan that is shown: when the change is delivered, it is there)."""

    kind: Kind
    id: str
    key: str | int
    target_id: str | None = None


class Change(Struct, frozen=True, gc=False):
    """One step of a plan.

    ``target_id`` is the target's own immutable identifier of the object, as an outcome, ``find`` or ``read`` gave it:
    everything but a create is addressed by it. For a record: ``key`` is the key that the object has now (for a create:
    will have). ``before`` is what the target was last known to hold and ``after`` what it is to hold, whole shapes;
    None where there is nothing. An update may change the key: then ``before`` and ``after`` differ in it. An adopt
    brings an object that was in the target before to the shape ``after``; ``before`` is what it held in the plan. The
    shapes of a leaver's deactivate are those of the last delivery: when the rules changed since then, ``after`` may
    lack attributes of the layout, the key too. These stay as they are.

    For memberships (op ADD or REMOVE): ``kind``, ``id``, ``key`` and ``target_id`` are those of the group and
    ``members`` is never empty; ``before`` and ``after`` are None.
    """

    op: Op
    kind: Kind
    directory: str
    id: str
    key: str | int
    before: dict[str, Value] | None = None
    after: dict[str, Value] | None = None
    members: tuple[Member, ...] = ()
    target_id: str | None = None


class Outcome(Struct, frozen=True, gc=False):
    """What became of one change.

    Nothing to say: delivered. ``target_id``: the object's identifier, which a create must give; any other change that
    was delivered may give a new one. ``absent``: the target has no object under the change's target id; a delete, a
    deactivate or a remove counts as delivered then, and what was to be updated, or to get members, is created by the
    next plan. ``error``: refused as a whole, and why. ``refused``: the members of a membership change that were
    refused, by id, each with its reason; ``gone`` are those of them that have no object in the target: the next plan
    creates it.
    """

    error: str | None = None
    refused: dict[str, str] = {}
    target_id: str | None = None
    absent: bool = False
    gone: frozenset[str] = frozenset()


DELIVERED = Outcome()
PROTECTED = (
    "`protect` of the target names it: it is never changed or removed\n"
    "  → undo the change in the directory or the rules, or take it out of `protect`"
)
"""Why a change of a protected object is refused."""


def holds_protected(key: str, member: str | int) -> str:
    """Why the deletion of a group with a protected member is refused. ``key``: the name of the members' key."""
    return f"{key} {member!r} is in it: {PROTECTED}"


class Lookup(Struct, frozen=True, gc=False):
    """A record that may be in the target already: its directory, its id there, and the key that it is to have."""

    directory: str
    id: str
    key: str | int


class Held(Struct, frozen=True, gc=False):
    """An object as the target holds it now.

    ``attributes`` has the names of the layout, and whatever else of the object a ``protect`` condition may read: None
    where the object holds nothing. A name that is left out is one that the target cannot tell: it is never compared.
    ``record``: directory and id of the record to which the object belongs, where the target itself keeps them.
    ``lasting``: its target id stays, whatever is written; it does not where rules write what
    identifies the object. ``protected_member``: the key of a protected user in this group, in an answer of ``read``:
    such a group is not deleted.
    """

    target_id: str
    key: str | int
    attributes: dict[str, Value]
    record: tuple[str, str] | None = None
    lasting: bool = True
    protected_member: str | int | None = None


class Capabilities(Struct, frozen=True):
    """How a target can be looked at.

    ``find``: ``bulk`` answers thousands of lookups in one query, ``each`` asks for one after the other, ``list`` reads
    everything whatever is asked; None: it cannot look. ``read``: objects can be read by target id. ``rename``: it has
    the method of :class:`RenamingTarget`. The others say which methods of :class:`Inspectable` it has.
    """

    find: Literal["bulk", "each", "list"] | None = "bulk"
    read: bool = True
    rename: bool = False
    list: bool = False
    members: bool = False
    count: bool = False
    forms: bool = False
    places: bool = False
    ids: bool = False


Edge = tuple[str, Kind, str]
"""A membership as a target holds it: the group's target id, the member's kind and target id."""


class Layout(Struct, frozen=True):
    """How the records of one kind look in this target.

    ``attributes`` are the names that shapes have, in order; ``key`` is the one that identifies a record. ``ruled`` is
    True when the admin wrote ``set``: then the names are the admin's own, otherwise they are the canonical ones.
    ``constants`` are the attributes that have the same value in every shape: ``check`` can tell whether they fit.
    """

    attributes: tuple[str, ...]
    key: str
    ruled: bool
    constants: dict[str, Value] = {}


class TargetContext(Context, Protocol):
    """What a target is given."""

    @property
    def layouts(self) -> Mapping[Kind, Layout]:
        """How the shapes of each kind look."""

    @property
    def directories(self) -> Sequence[str]:
        """The directories that this target receives."""

    def protected(self, kind: Kind, key: str | int, attributes: Mapping[str, Value]) -> bool:
        """Whether ``protect`` of the configuration names this object, which holds these attributes now. Such an object
        and its memberships are never written: refuse what is asked of it, with the reason :data:`PROTECTED`."""

    def protects(self, kind: Kind) -> bool:
        """Whether ``protect`` names anything of this kind at all."""

    def protection_reads(self, kind: Kind) -> frozenset[str]:
        """The target's own columns that a ``protect`` condition reads: one that is not there is an error."""

    def unlinked(self, kind: Kind) -> Iterator[Lookup]:
        """Records that this target was given before it returned target ids, with the keys that they have there. Only
        for targets that were in use under contract 1."""


@runtime_checkable
class Target(Protocol):
    """Delivers to one target."""

    api: ClassVar[int]
    Options: ClassVar[type[BaseModel]]
    capabilities: ClassVar[Capabilities]

    def __init__(self, options: Any, context: TargetContext) -> None: ...

    async def identity(self) -> str:
        """Which target this is, whatever the configuration calls it: server and tables, tenant, application. Called at
        the start of every run. Changes nothing. Raises TargetError when the target cannot be read, or cannot hold what
        the layouts ask for."""
        ...

    async def prepare(self) -> None:
        """Make the target ready to be written, before anything is looked up or delivered: its own tables, for example.
        Not called for a plan that is only shown; what would be made then counts as empty. Raises TargetError."""
        ...

    def find(self, kind: Kind, lookups: Sequence[Lookup]) -> AsyncIterator[tuple[Lookup, Held]]:
        """The objects that have one of these keys now, or that the target itself says are these records; each with the
        lookup that it answers. An object whose key the target takes for equal to the one asked for, though it differs
        (by case, by padding), is an answer too. Raises TargetError."""
        ...

    def read(self, kind: Kind, target_ids: Sequence[str]) -> AsyncIterator[Held]:
        """The objects under these target ids, as far as they are there. Raises TargetError."""
        ...

    def deliver(self, changes: Sequence[Change]) -> AsyncIterator[Outcome]:
        """Deliver a batch: one outcome per change, in the order of the changes, each yielded only once it is durable.

        A create never takes over an object that exists: it is refused. Deleting what is not there, adding a member
        that is there and removing one that is not succeed. Changes of one batch may exchange keys, or hand them on:
        what frees a value goes first. One refused change must not stop the others. Raise TargetError when the target as
        a whole cannot be written: what was not acknowledged is looked up by the next run."""
        ...

    async def check(self) -> Sequence[str]:
        """Try the target and say in a few lines for a person what was found. Changes nothing. Raises TargetError."""
        ...

    async def close(self) -> None:
        """Let go of connections. Called once, whatever happened."""
        ...


@runtime_checkable
class Inspectable(Target, Protocol):
    """What a target may have besides, each method by a capability. None of them changes anything; all work before
    ``prepare`` was called, and raise TargetError."""

    def members(self, groups: Sequence[str]) -> AsyncIterator[Sequence[Edge]]:
        """The memberships of the groups with these target ids, in batches (capability ``members``). What refers to an
        object that does not exist may be left out."""
        ...

    async def count(self, kind: Kind, directory: str) -> int | None:
        """How many objects the target itself says belong to records of this directory; None: it does not keep that
        (capability ``count``). Every complete run asks: it must cost little."""
        ...

    def ids(self, kind: Kind, directory: str) -> AsyncIterator[Sequence[str]]:
        """The ids of the records of this directory to which objects belong, in batches, as often as objects name them
        (capability ``ids``). Every complete run asks a target whose ``count`` keeps that."""
        ...

    def is_same(self, kind: Kind, attribute: str, written: Value, held: Value) -> bool:
        """Whether ``held`` is only another form of what was written, as 1 is of true (capability ``forms``). Asked
        after ``read``, of values that are not equal."""
        ...

    def list(self, kind: Kind) -> AsyncIterator[Held]:
        """Every object of a kind, whoever made it (capability ``list``)."""
        ...

    async def places(self) -> Mapping[Kind, str]:
        """Where the objects of each kind are, for a target of which another may share a part: the same users, and other
        groups (capability ``places``). Equal text means the same objects. A kind that the target does not have is left
        out. Called after ``identity``."""
        ...


class RenamingTarget(Target, Protocol):
    """A target whose objects name their directory. It says ``rename`` in its capabilities."""

    async def rename(
        self, old: str, new: str, target_ids: Mapping[Kind, Sequence[str]]
    ) -> Mapping[Kind, Mapping[str, str]]:
        """Make everything of the directory ``old`` that of ``new``: all of it, or nothing. ``target_ids``: the objects
        that are linked. Returns for each kind those that have another target id now: before -> now.

        Called after ``prepare``, and before anything is looked up. Called again after an interruption: what has the new
        name already stays, and the answer is the same. Raises TargetError."""
        ...
