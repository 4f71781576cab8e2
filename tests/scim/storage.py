"""Lets scim2-server's contract of storages judge our store: an asynchronous storage over it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from scim2_models import (
    Context,
    Error,
    Resource,
    ResourceType,
    ResponseParameters,
    SCIMException,
    ScimProvider,
    SearchRequest,
)
from scim2_server.cursor import Cursors
from scim2_server.storage import AsyncScimStorage, SearchPage

from usersyncd.plugin import Kind
from usersyncd.scim.answers import TYPES, error_of, rendered
from usersyncd.scim.errors import ScimError, not_found
from usersyncd.scim.listing import Listing
from usersyncd.scim.query import read_projection, read_query
from usersyncd.scim.reading import read_resource
from usersyncd.scim.store import CreateResource, DeleteResource, ReplaceResource, ResourceStore

BASE = "https://sync.acme.example/scim/v2/acme"
KINDS = {name: kind for kind, name in TYPES.items()}


class StorageOverStore(AsyncScimStorage):
    """Reads, lists and changes a store in the way of the web service, but with models instead of bodies."""

    supports_cursors = True

    def __init__(self, store: ResourceStore, provider: ScimProvider) -> None:
        self._store = store
        self._models = {KINDS[str(each.id)]: provider.model_for(each) for each in provider.resource_types}
        self._listing = Listing(store, "acme", BASE, Cursors(b"k" * 32))

    async def get(
        self,
        resource_type: ResourceType,
        resource_id: str,
        *,
        response_parameters: ResponseParameters[Any] | None = None,
    ) -> Resource[Any]:
        kind = _kind(resource_type)
        asked = response_parameters.model_dump() if response_parameters is not None else {}
        shows = read_projection(kind, asked).shows
        with _translated():
            found = await self._store.get(kind, resource_id, members=shows("members"), groups=shows("groups"))
            if found is None:
                raise not_found(kind, resource_id)
        return self._model(kind, rendered(found, BASE))

    async def search(
        self, resource_types: list[ResourceType], search_request: SearchRequest[Any], *, position: Any = None
    ) -> SearchPage:
        sent = search_request.model_dump()
        if position is not None:
            sent["cursor"] = position
        with _translated():
            answer = await self._listing.answer(*(read_query(_kind(each), sent) for each in resource_types))
        found = [self._model(KINDS[each["meta"]["resourceType"]], each) for each in answer["Resources"]]
        return SearchPage(answer.get("totalResults"), found, next=answer.get("nextCursor"))

    async def create(self, resource_type: ResourceType, resource: Resource[Any]) -> Resource[Any]:
        kind = _kind(resource_type)
        with _translated():
            body, members = read_resource(kind, resource.model_dump(scim_ctx=Context.RESOURCE_CREATION_REQUEST))
            stored = await self._store.change(CreateResource(kind, body, members or ()))
        assert stored is not None
        return await self.get(resource_type, stored.id)

    async def update(
        self, resource_type: ResourceType, resource: Resource[Any], *, expected_version: str | None = None
    ) -> Resource[Any]:
        kind, id_ = _kind(resource_type), str(resource.id)
        with _translated():
            body, members = read_resource(kind, resource.model_dump(scim_ctx=Context.RESOURCE_REPLACEMENT_REQUEST))
            await self._store.change(ReplaceResource(kind, id_, body, members, _version(expected_version)))
        return await self.get(resource_type, id_)

    async def delete(
        self, resource_type: ResourceType, resource_id: str, *, expected_version: str | None = None
    ) -> None:
        with _translated():
            await self._store.change(DeleteResource(_kind(resource_type), resource_id, _version(expected_version)))

    def _model(self, kind: Kind, shown: dict[str, Any]) -> Resource[Any]:
        """A storage leaves the location to the server."""
        model: Any = self._models[kind]
        found: Resource[Any] = model.model_validate({**shown, "meta": {**shown["meta"], "location": None}})
        return found


def _kind(resource_type: ResourceType) -> Kind:
    return KINDS[str(resource_type.id)]


def _version(tag: str | None) -> str | None:
    return None if tag is None else tag.removeprefix("W/").strip('"')


@contextmanager
def _translated() -> Iterator[None]:
    """Raise our errors as those of scim2-models."""
    try:
        yield
    except ScimError as error:
        raise SCIMException.from_error(Error.model_validate(error_of(error))) from error
