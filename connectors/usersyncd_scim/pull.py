"""Pulls the users, groups and memberships of a service provider: always everything."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Iterator, Mapping, Sequence
from contextlib import contextmanager

from usersyncd.errors import SourceError, TargetError
from usersyncd.plugin import Kind, Members, Page, Record
from usersyncd_scim.listing import CompleteListing
from usersyncd_scim.paths import Resource
from usersyncd_scim.profile import Profile
from usersyncd_scim.service import ServiceProvider

APART = ("id", "members", "groups", "password")
"""Keys of a resource that a record has not among its attributes: id and memberships have places of their own, and a
password is never kept."""

Reads = Mapping[Kind, frozenset[str] | None]


class ServicePull:
    """One pull of a service provider. Every method raises SourceError."""

    def __init__(self, service: ServiceProvider, profile: Profile, name: str, reads: Reads) -> None:
        self._service = service
        self._profile = profile
        self._name = name
        self._reads = reads

    async def check(self) -> Sequence[str]:
        """Ask for one resource of each kind, and say how listings are read."""
        self._require_listings()
        with as_source_errors():
            for kind in Kind:
                await self._service.page(kind, "count=1")
        by = {"index": "by startIndex", "cursor": "by cursor", "none": "in one answer"}[self._profile.paging]
        return [f"users and groups are listed {by}"]

    async def pages(self) -> AsyncGenerator[Page]:
        """Users, then groups with their members."""
        self._require_listings()
        for kind in Kind:
            listing = CompleteListing(self._service, self._profile, kind)
            with as_source_errors():
                async for resources in listing.pages():
                    yield [item for resource in resources for item in await self._items(kind, resource)]

    def _require_listings(self) -> None:
        """Raise SourceError if the provider, by its profile, cannot be listed completely."""
        remedy = "use another connector, or let the directory push (docs/scim-entra.md)"
        if not self._profile.lists_all:
            raise SourceError(
                f"the profile {self._name} says that a listing of this provider is not complete (lists_all: false): "
                "a person who is not listed would count as deleted",
                remedy,
            )
        if not self._profile.members_readable:
            raise SourceError(
                f"the profile {self._name} says that this provider returns groups without members "
                "(members_readable: false): every group would lose its members",
                remedy,
            )

    async def _items(self, kind: Kind, resource: Resource) -> list[Record | Members]:
        reads = self._reads.get(kind)
        attributes = {
            name: value
            for name, value in resource.items()
            if name not in APART and value is not None and (reads is None or name in reads)
        }
        record = Record(kind, resource["id"], attributes)
        if kind is Kind.USER:
            return [record]
        return [record, Members(record.id, frozenset(await self._members(resource)))]

    async def _members(self, group: Resource) -> Sequence[str]:
        """The ids of a group's members. Some providers leave them out of listings: then the group is read by itself."""
        if "members" not in group:
            whole = await self._service.get(Kind.GROUP, group["id"], members=True)
            if whole is None:
                raise SourceError(f"group {group['id']} was deleted while it was read", "the next pull reads it again")
            group = whole
        found = group.get("members") or []
        values = [one.get("value") for one in found if isinstance(one, dict)] if isinstance(found, list) else [None]
        if len(values) < len(found) or not all(isinstance(value, str | int) and value != "" for value in values):
            raise SourceError(
                f"the members of group {group['id']} at {self._service.url} cannot be read: they have no ids (`value`)",
                "give the token the right to read users and the members of groups",
            )
        return [str(value) for value in values]


@contextmanager
def as_source_errors() -> Iterator[None]:
    """Raise what concerns the service provider as an error of the directory."""
    try:
        yield
    except TargetError as error:
        raise SourceError(error.message, error.remedy) from error
