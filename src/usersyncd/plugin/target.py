"""A target: the changes that it receives, the outcomes that it returns, its context, and its methods."""

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
    """One member of a membership change: the record's id in its directory, its key in this target, and its target id
    (None only in a plan that is shown, never in a change that is delivered)."""

    kind: Kind
    id: str
    key: str | int
    target_id: str | None = None


class Change(Struct, frozen=True, gc=False):
    """One step of a plan.

    ``target_id`` is the target's own immutable identifier of the object, as an outcome, ``find`` or ``read`` returned
    it: every change but a create is addressed by it. For a record: ``key`` is the current key of the object (for a
    create: its future key). ``before`` is the last known shape in the target and ``after`` the required one, both with
    all attributes; None where there is no object. An update may change the key: then ``before`` and ``after`` differ in
    it. An adopt changes an object that the target already had to the shape ``after``; ``before`` is what the object
    held when the plan was made. A leaver's deactivate has the shapes of the last delivery: when the rules changed since
    then, ``after`` may lack attributes of the layout, even the key. The target leaves these attributes unchanged.

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
    """The result of one change.

    ``Outcome()``: delivered. ``target_id``: the object's identifier, required for a create; any other delivered change
    may return a new one. ``absent``: the target has no object with the change's target id; then a delete, a deactivate
    or a remove counts as delivered, and for an update or added members the next plan creates the object. ``error``: the
    change was refused as a whole, with the reason. ``refused``: the refused members of a membership change, by id, each
    with its reason; ``gone``: those of them that have no object in the target; the next plan creates it.
    """

    error: str | None = None
    refused: dict[str, str] = {}
    target_id: str | None = None
    absent: bool = False
    gone: frozenset[str] = frozenset()


DELIVERED = Outcome()
PROTECTED = (
    "`protect` of the target names it: usersyncd never changes or removes it\n"
    "  → undo the change in the directory or the rules, or remove it from `protect`"
)
"""The error of a change to a protected object."""


def holds_protected(key: str, member: str | int) -> str:
    """The error of deleting a group with a protected member. ``key``: the name of the members' key attribute."""
    return f"the group has the member {key} {member!r}: {PROTECTED}"


class Lookup(Struct, frozen=True, gc=False):
    """A record that may already have an object in the target: its directory, its id there, and the key that the rules
    give it."""

    directory: str
    id: str
    key: str | int


class Held(Struct, frozen=True, gc=False):
    """An object as the target holds it now.

    ``attributes`` has the names of the layout, and all others that a ``protect`` condition may read: None where the
    object has no value. A name is left out when the target cannot read it: it is never compared. ``record``: directory
    and id of the record to which the object belongs, where the target itself stores them. ``lasting``: the target id
    stays the same whatever is written; False where the rules write the attribute that identifies the object.
    ``protected_member``: the key of a protected user in this group, in results of ``read``: such a group is not
    deleted.
    """

    target_id: str
    key: str | int
    attributes: dict[str, Value]
    record: tuple[str, str] | None = None
    lasting: bool = True
    protected_member: str | int | None = None


class Capabilities(Struct, frozen=True):
    """Which reads a target supports.

    ``find``: ``bulk`` answers thousands of lookups with one query, ``each`` needs one query per lookup, ``list`` reads
    all objects for any lookup; None: it has no ``find``. ``read``: objects can be read by target id. ``rename``: it has
    the method of :class:`RenamingTarget`. ``journalled``: the journal of usersyncd is the target. Its changes are
    delivered by the commit that stores their links, none is ever unanswered, and each becomes an event of the target's
    stream; its ``Options`` are :class:`StreamOptions`. ``reuses_ids``: a new object may get the target id of a deleted
    one; without it, a create that is answered with the object of another record is refused. The others name the methods
    of :class:`Inspectable` that it has.
    """

    find: Literal["bulk", "each", "list"] | None = "bulk"
    read: bool = True
    rename: bool = False
    journalled: bool = False
    reuses_ids: bool = False
    list: bool = False
    members: bool = False
    count: bool = False
    forms: bool = False
    places: bool = False
    ids: bool = False


Edge = tuple[str, Kind, str]
"""A membership as a target holds it: the group's target id, the member's kind and target id."""


class Layout(Struct, frozen=True):
    """The attributes of the shapes of one kind in this target.

    ``attributes`` are the names that shapes have, in order; ``key`` is the one that identifies a record. ``ruled`` is
    True when the admin wrote ``set``: then the names are the admin's own; otherwise they are the canonical ones.
    ``constants`` are the attributes with the same value in every shape: ``check`` can test whether the target accepts
    them.
    """

    attributes: tuple[str, ...]
    key: str
    ruled: bool
    constants: dict[str, Value] = {}


class TargetContext(Context, Protocol):
    """The context that a target receives."""

    @property
    def layouts(self) -> Mapping[Kind, Layout]:
        """The layout of the shapes of each kind."""

    @property
    def directories(self) -> Sequence[str]:
        """The directories that this target receives."""

    def protected(self, kind: Kind, key: str | int, attributes: Mapping[str, Value]) -> bool:
        """Whether ``protect`` of the configuration names this object, which now has these attributes. Such an object
        and its memberships are never written: refuse every change to it with the error :data:`PROTECTED`."""

    def protects(self, kind: Kind) -> bool:
        """Whether ``protect`` names anything of this kind at all."""

    def protection_reads(self, kind: Kind) -> frozenset[str]:
        """The target's own columns that a ``protect`` condition reads: a missing one is an error."""

    def unlinked(self, kind: Kind) -> Iterator[Lookup]:
        """Records that were delivered to this target before it returned target ids, with their keys in the target. Only
        for targets that were in use under contract 1."""

    def linked_members(self, group: str) -> Sequence[tuple[Kind, str]]:
        """The objects that usersyncd has put into the group with this target id, each as kind and target id, up to the
        last batch. It reads the state database. For targets that write a group with all its members, and do not show
        them."""


@runtime_checkable
class Target(Protocol):
    """Delivers to one target."""

    api: ClassVar[int]
    Options: ClassVar[type[BaseModel]]
    capabilities: ClassVar[Capabilities]

    def __init__(self, options: Any, context: TargetContext) -> None: ...

    async def identity(self) -> str:
        """The identity of this target, independent of its name in the configuration: server and tables, tenant,
        application. Called at the start of every run. Changes nothing. Raises TargetError when the target cannot be
        read, or cannot store the attributes of the layouts."""
        ...

    async def prepare(self) -> None:
        """Prepare the target for writing, for example create its own tables. Called before any lookup or delivery, but
        not for a plan that is only shown: what ``prepare`` would create then counts as empty. Raises TargetError."""
        ...

    def find(self, kind: Kind, lookups: Sequence[Lookup]) -> AsyncIterator[tuple[Lookup, Held]]:
        """The objects that now have one of these keys, or that the target itself stores as the objects of these
        records; each with its lookup. This includes objects whose key differs from the requested one but is equal to it
        for the target (by case, by padding). Raises TargetError."""
        ...

    def read(self, kind: Kind, target_ids: Sequence[str]) -> AsyncIterator[Held]:
        """The existing objects with these target ids. Raises TargetError."""
        ...

    def deliver(self, changes: Sequence[Change]) -> AsyncIterator[Outcome]:
        """Deliver a batch: one outcome per change, in the order of the changes, each yielded only after the change is
        durable.

        A create never takes over an existing object: refuse it. Deleting an object that does not exist, adding a member
        that exists and removing one that does not exist all succeed. Changes of one batch may swap keys or pass them
        on: the change that frees a value is written first. One refused change must not stop the others. Raises
        TargetError when the target as a whole cannot be written: the next run looks up the changes without an
        outcome."""
        ...

    async def check(self) -> Sequence[str]:
        """Test the target and describe it in a few lines for a person. Changes nothing. Raises TargetError."""
        ...

    async def close(self) -> None:
        """Close all connections. Called once, also after an error."""
        ...


@runtime_checkable
class Inspectable(Target, Protocol):
    """Optional methods of a target, each announced by a capability. None of them changes anything; all work before
    ``prepare`` is called, and raise TargetError."""

    def members(self, groups: Sequence[str]) -> AsyncIterator[Sequence[Edge]]:
        """The memberships of the groups with these target ids, in batches (capability ``members``). Memberships of
        objects that do not exist may be left out."""
        ...

    async def count(self, kind: Kind, directory: str) -> int | None:
        """How many objects belong to records of this directory, where the target itself stores that; None: it does not
        store it (capability ``count``). Every complete run calls this: it must be cheap."""
        ...

    def ids(self, kind: Kind, directory: str) -> AsyncIterator[Sequence[str]]:
        """The ids of the records of this directory that have objects, in batches, once for each object (capability
        ``ids``). Called by every complete run where ``count`` does not return None."""
        ...

    def is_same(self, kind: Kind, attribute: str, written: Value, held: Value) -> bool:
        """Whether ``held`` is only another form of the written value, such as 1 for true (capability ``forms``). Called
        after ``read``, for values that are not equal."""
        ...

    def list(self, kind: Kind) -> AsyncIterator[Held]:
        """Every object of a kind, also those that usersyncd did not create (capability ``list``)."""
        ...

    async def places(self) -> Mapping[Kind, str]:
        """Where the objects of each kind are stored, for targets that may share a part, such as the same users with
        different groups (capability ``places``). Equal text means the same objects. A kind that the target does not
        have is left out. Called after ``identity``."""
        ...


class RenamingTarget(Target, Protocol):
    """A target whose objects store the name of their directory. Its capabilities have ``rename``."""

    async def rename(
        self, old: str, new: str, target_ids: Mapping[Kind, Sequence[str]]
    ) -> Mapping[Kind, Mapping[str, str]]:
        """Rename the directory ``old`` to ``new`` in all its objects: all of them or none. ``target_ids``: the linked
        objects. Returns for each kind the target ids that changed: old -> new.

        Called after ``prepare`` and before any lookup. Called again after an interruption: objects that already have
        the new name stay as they are, and the result is the same. Raises TargetError."""
        ...
