"""What the SCIM protocol asks of the place where the resources of one directory are kept.

A *resource* is a user or group as the provider pushed it. The store gives it an id, keeps ``meta`` and ``version``, and
turns every change into a push. :mod:`usersyncd.scim` never sees another directory's store.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from typing import Protocol

from msgspec import Struct

from usersyncd.plugin import Kind, Value
from usersyncd.scim.patch import ResourcePatch


class StoredMember(Struct, frozen=True):
    """A member of a group, or a group of a user: its id, its kind, and its display name if it has one.

    ``kind`` of a member that no stored resource has (the provider named it before it sent it) is a user.
    """

    value: str
    kind: Kind
    display: str | None


class StoredResource(Struct, frozen=True):
    """A resource as it was pushed.

    ``resource`` has ``schemas``, the attributes as the provider sent them, and ``meta`` with ``created`` and
    ``lastModified`` (RFC 3339 text, UTC); it has none of ``id``, ``members``, ``groups``, ``password``. ``version`` is
    the text inside a weak entity tag: it changes with the resource and, for a group, with its members.
    """

    kind: Kind
    id: str
    resource: dict[str, Value]
    version: str
    members: tuple[StoredMember, ...] | None
    """A group's members. None: not requested, or a user."""
    groups: tuple[StoredMember, ...] | None
    """A user's direct groups. None: not requested, or a group."""


class CreateResource(Struct, frozen=True):
    """POST. ``resource`` is what :class:`StoredResource` says, without ``meta``. ``members`` are ids; a user has none.

    The store raises 409 ``uniqueness`` for a ``userName`` or a group's ``displayName`` that another resource of the
    same kind has, compared by :func:`usersyncd.scim.values.folded`.
    """

    kind: Kind
    resource: dict[str, Value]
    members: tuple[str, ...]


class ReplaceResource(Struct, frozen=True):
    """PUT. ``members`` None leaves the members of a group as they are (the request had no ``members``)."""

    kind: Kind
    id: str
    resource: dict[str, Value]
    members: tuple[str, ...] | None
    if_match: str | None
    """The version that the resource must have; None: any."""


class PatchResource(Struct, frozen=True):
    """PATCH. The store applies :func:`usersyncd.scim.patch.patched` to the resource, and ``patch.member_edits`` to the
    members, in one transaction. If neither changes anything, ``version`` and ``meta.lastModified`` stay."""

    kind: Kind
    id: str
    patch: ResourcePatch
    if_match: str | None


class DeleteResource(Struct, frozen=True):
    """DELETE. A deleted resource leaves all groups."""

    kind: Kind
    id: str
    if_match: str | None


Operation = CreateResource | ReplaceResource | PatchResource | DeleteResource


class ResourceStore(Protocol):
    """The resources of one directory. All methods raise ScimError 503 when the store cannot answer now."""

    async def get(
        self, kind: Kind, resource_id: str, /, *, members: bool, groups: bool, listed: bool = False
    ) -> StoredResource | None:
        """The resource with this id. It counts as found, unless it is read for a page of a listing (``listed``)."""
        ...

    async def lookup(self, kind: Kind, attribute: str, value: str, /, *, members: bool) -> Sequence[StoredResource]:
        """The resources whose attribute has this value, from an index. They count as found.

        ``attribute`` is ``userName``, ``externalId``, ``displayName`` or ``emails.value``. ``externalId`` is compared
        exactly, the others by :func:`usersyncd.scim.values.folded`. ``groups`` of the answers are None.
        """
        ...

    def scan(self, kind: Kind, /, *, members: bool) -> AsyncIterator[Sequence[StoredResource]]:
        """All resources, ordered by the key of :meth:`page`, in batches: memory stays flat."""
        ...

    async def page(self, kind: Kind, /, *, offset: int, count: int, members: bool) -> Sequence[StoredResource]:
        """At most ``count`` resources after the first ``offset``, ordered by a key that never changes."""
        ...

    async def after(self, kind: Kind, after: str | None, count: int, /, *, members: bool) -> Sequence[StoredResource]:
        """At most ``count`` resources that follow the resource with this id in the order of :meth:`page` (None: from
        the beginning).

        A resource that was deleted meanwhile still has its place in the order, or the store raises ScimError 400
        ``expiredCursor``.
        """
        ...

    async def count(self, kind: Kind, /) -> int: ...

    async def found(self, kind: Kind, ids: Sequence[str], /) -> None:
        """The provider looked for these resources and found them in a scan: while a full push is expected, that counts
        as sent."""
        ...

    async def groups_of(self, user_ids: Sequence[str], /) -> Mapping[str, tuple[StoredMember, ...]]:
        """The direct groups of at most a page of users, by user id: a listing shows them. A user without groups may be
        left out."""
        ...

    async def change(self, operation: Operation, /) -> StoredResource | None:
        """Make one change, and return after a commit that survives a power loss.

        Returns the resource as it is now, with ``members`` and ``groups`` None; None after a deletion. Raises
        ScimError: 404, 409 ``uniqueness``, 412 (``if_match`` names another version), 503 (too much waits), and what
        ``patched`` raises. An error means that nothing was changed.
        """
        ...
