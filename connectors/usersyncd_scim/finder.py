"""Finds resources by the keys of records: by a filter each, or in one listing of all.

No answer is believed as it is: a provider that ignores filters returns everybody, and a listing may have resources that
do not exist. Values are compared here, and what a listing shows is read by its id.
"""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import AsyncIterator, Mapping, Sequence
from typing import Any

from usersyncd.errors import TargetError
from usersyncd.plugin import Held, Kind, Lookup
from usersyncd_scim.paths import Resource, ScimPath
from usersyncd_scim.profile import Profile
from usersyncd_scim.resources import ResourceForm
from usersyncd_scim.service import ServiceProvider, equals

FEW = 5
"""Lookups for which nothing is listed, however small the provider is."""


class Finder:
    """Finds resources of one service provider."""

    def __init__(self, service: ServiceProvider, profile: Profile, forms: Mapping[Kind, ResourceForm]) -> None:
        self._service = service
        self._profile = profile
        self._forms = forms
        self._listed: dict[Kind, dict[str, list[str]]] = {}
        """Ids by key, of a listing in this run."""
        self._absent: set[tuple[Kind, str]] = set()
        """Keys that nothing had when this run looked."""
        self._locks: defaultdict[Kind, asyncio.Lock] = defaultdict(asyncio.Lock)

    async def find(self, kind: Kind, lookups: Sequence[Lookup]) -> AsyncIterator[tuple[Lookup, Held]]:
        """The resources that have one of these keys, each with its lookup. Raises TargetError."""
        form = self._forms[kind]
        wanted: defaultdict[str, list[Lookup]] = defaultdict(list)
        for lookup in lookups:
            wanted[form.external_id(lookup.directory, lookup.key)].append(lookup)
        if await self._is_listing_cheaper(kind, len(wanted)):
            await self._list(kind)
        for some in _chunks(list(wanted), 50):
            found = await asyncio.gather(*(self.with_value(kind, form.key_path, value) for value in some))
            for value, resources in zip(some, found, strict=True):
                if not resources:
                    self._absent.add((kind, _folded(value)))
                for lookup in wanted[value]:
                    for resource in resources:
                        yield lookup, form.held(resource, lookup.key)

    async def with_key(self, kind: Kind, directory: str, key: str | int) -> list[Resource]:
        """The resources with the key of a record; not asked again if this run found none before."""
        form = self._forms[kind]
        value = form.external_id(directory, key)
        if (kind, _folded(value)) in self._absent:
            return []
        return await self.with_value(kind, form.key_path, value)

    async def with_value(self, kind: Kind, path: ScimPath, value: str) -> list[Resource]:
        """The resources that have this value under a path, each once. Raises TargetError."""
        form = self._forms[kind]
        is_key = path == form.key_path
        if is_key and self._profile.find == "list":
            await self._list(kind)
        if is_key and kind in self._listed:
            ids = self._listed[kind].get(_folded(value), [])
            read = await asyncio.gather(*(self._service.get(kind, id_) for id_ in ids))
            candidates = [one for one in read if one is not None]
        else:
            candidates = await self._service.search(kind, equals(_filter_path(path), value))
        same = {one["id"]: one for one in candidates if _has(form, path, one, value)}
        return list(same.values())

    async def matching(self, kind: Kind, resource: Resource) -> list[Resource]:
        """The resources that are like this one by the attributes of the profile's `match`, in their order, up to the
        first that finds something. Raises TargetError."""
        form = self._forms[kind]
        for text in self._profile.match.users if kind is Kind.USER else self._profile.match.groups:
            path = form.path(text)
            value = path.get(resource)
            if not isinstance(value, str):
                continue
            if self._profile.find == "list":
                found = [
                    one async for page, _ in self._service.pages(kind) for one in page if _has(form, path, one, value)
                ]
            else:
                found = await self.with_value(kind, path, value)
            if found:
                return found
        return []

    def forget(self) -> None:
        """Forget what was found: something is about to be written."""
        self._listed.clear()

    def made(self, kind: Kind, directory: str, key: str | int) -> None:
        """Note that there is a resource with this key now."""
        self._absent.discard((kind, _folded(self._forms[kind].external_id(directory, key))))

    async def _is_listing_cheaper(self, kind: Kind, keys: int) -> bool:
        """Whether one listing needs fewer requests than a filter for each key."""
        if self._profile.find == "list":
            return True
        if kind in self._listed or not self._profile.lists_all or keys <= FEW:
            return False
        async for page, total in self._service.pages(kind):
            return total is not None and total / max(1, len(page)) < keys
        return True

    async def _list(self, kind: Kind) -> None:
        async with self._locks[kind]:
            if kind in self._listed:
                return
            path = self._forms[kind].key_path
            ids: dict[str, list[str]] = {}
            async for page, _ in self._service.pages(kind):
                for resource in page:
                    value = path.get(resource)
                    if isinstance(value, str):
                        ids.setdefault(_folded(value), []).append(resource["id"])
            self._listed[kind] = ids


def _has(form: ResourceForm, path: ScimPath, resource: Mapping[str, Any], value: str) -> bool:
    held = path.get(resource)
    if not isinstance(held, str):
        return False
    return _folded(held) == _folded(value) if form.is_folded(path) else held == value


def _folded(value: str) -> str:
    return value.casefold()


def _filter_path(path: ScimPath) -> str:
    """The path as filters have it: an entry's brackets are left out, since many providers do not know them there; the
    type of the entry is compared afterwards."""
    return f"{path.top}.{path.sub}" if path.sub else path.top


def _chunks(values: list[str], size: int) -> list[list[str]]:
    return [values[start : start + size] for start in range(0, len(values), size)]


async def all_of(service: ServiceProvider, profile: Profile, form: ResourceForm) -> AsyncIterator[Held]:
    """Every resource of a kind. Raises TargetError, also if the provider does not list all."""
    if not profile.lists_all:
        raise TargetError(
            f"{service.url} does not list all its {form.kind.value}s",
            "use the administration of the service provider",
        )
    async for page, _ in service.pages(form.kind):
        for resource in page:
            yield form.held(resource)
