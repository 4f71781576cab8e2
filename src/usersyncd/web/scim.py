"""The SCIM service of the directories that push, below ``/scim/v2/<directory>/`` (RFC 7644).

Of scim2-server only the cursors are used: docs/decisions/0014-scim-in.md says why.
"""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Awaitable, Callable, Mapping, Sequence
from functools import partial
from typing import Any, TypeVar

import msgspec
from scim2_server.cursor import Cursors
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.types import ASGIApp, Receive, Scope, Send

from usersyncd.plugin import Kind
from usersyncd.scim.answers import ENDPOINTS, entity_tag, error_of, list_of, location, rendered
from usersyncd.scim.discovery import COLLECTIONS, document, documents, service_provider_config
from usersyncd.scim.errors import ScimError, invalid_syntax, not_found, version_differs
from usersyncd.scim.listing import Listing
from usersyncd.scim.patch_reading import read_patch
from usersyncd.scim.projection import EVERYTHING, Projection
from usersyncd.scim.query import ListQuery, read_projection, read_query
from usersyncd.scim.reading import decoded, read_resource
from usersyncd.scim.store import (
    CreateResource,
    DeleteResource,
    PatchResource,
    ReplaceResource,
    ResourceStore,
    StoredResource,
)

T = TypeVar("T")

LARGE = 16_000
"""Bytes of a body that is read in a thread of its own, so that other requests do not wait for it."""
MEDIA_TYPE = "application/scim+json"
KINDS = {endpoint.lower(): kind for kind, endpoint in ENDPOINTS.items()}
NOT_IMPLEMENTED = {"me", "bulk", ""}
"""RFC 7644 lets a service leave these out: sections 3.11, 3.7, and 3.4.2.1 for a query at the root."""
_EDGES = (("members", Kind.GROUP), ("groups", Kind.USER))
_CURSORS = Cursors(secrets.token_bytes(32))
"""Cursors end with the process: a provider then begins its listing again."""
_encode = msgspec.json.Encoder().encode

StoreOf = Callable[[str], ResourceStore | None]
"""The store of a directory that pushes, by its name."""
Handler = Callable[[], Awaitable[Response]]


def routes(
    store_of: StoreOf,
    url: str,
    gate: Callable[[ASGIApp], ASGIApp] = lambda app: app,
    token_endpoints: Mapping[str, str] | None = None,
) -> list[Route]:
    """The routes of all directories. ``url`` is the public address of the web service; ``gate`` lets through the
    requests that may pass, and finds the directory in ``scope["path_params"]``. ``token_endpoints``: where the
    directories with an OAuth client give access tokens."""
    app = gate(ScimService(store_of, url.rstrip("/"), token_endpoints or {}))
    return [Route("/scim/v2/{directory}", app), Route("/scim/v2/{directory}/{rest:path}", app)]


class ScimService:
    """The ASGI application behind the gate."""

    def __init__(self, store_of: StoreOf, url: str, token_endpoints: Mapping[str, str]) -> None:
        self._store_of = store_of
        self._url = url
        self._token_endpoints = token_endpoints

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        request = Request(scope, receive)
        try:
            answer = await self._answer(request)
        except ScimError as error:
            answer = error_response(error)
        await answer(scope, receive, send)

    async def _answer(self, request: Request) -> Response:
        directory = request.path_params["directory"]
        store = self._store_of(directory)
        if store is None:
            raise not_found("directory", directory)
        base = f"{self._url}/scim/v2/{directory}"
        names = [name for name in request.path_params.get("rest", "").split("/") if name]
        return await _Exchange(request, store, directory, base, self._token_endpoints.get(directory)).answer(names)


def error_response(error: ScimError, headers: Mapping[str, str] | None = None) -> Response:
    """The answer that refuses a request."""
    retry = {} if error.retry_after is None else {"retry-after": str(error.retry_after)}
    return Response(_encode(error_of(error)), error.status, {**retry, **(headers or {})}, MEDIA_TYPE)


class _Exchange:
    """One request and its answer."""

    def __init__(
        self, request: Request, store: ResourceStore, directory: str, base: str, token_endpoint: str | None
    ) -> None:
        self._request = request
        self._store = store
        self._directory = directory
        self._base = base
        self._token_endpoint = token_endpoint

    async def answer(self, names: Sequence[str]) -> Response:
        """``names``: the parts of the path after the directory. Their case does not count: some clients write lower."""
        first = names[0].lower() if names else ""
        if first in KINDS:
            return await self._resources(KINDS[first], names[1:])
        methods: Mapping[str, Handler] = {}
        if first == ".search" and len(names) == 1:
            methods = {"POST": partial(self._search, *Kind)}
        if first == "serviceproviderconfig" and len(names) == 1:
            methods = {"GET": self._config}
        for collection in COLLECTIONS:
            if first == collection.lower() and len(names) <= 2:
                methods = {"GET": partial(self._documents, collection, *names[1:])}
        if methods:
            return await self._by_method(methods)
        if first in NOT_IMPLEMENTED:
            raise ScimError(501, f"/{'/'.join(names)} is not implemented", "use /Users and /Groups")
        raise not_found("the address", "/".join(names))

    async def _resources(self, kind: Kind, names: Sequence[str]) -> Response:
        if not names:
            return await self._by_method({"GET": partial(self._list, kind), "POST": partial(self._create, kind)})
        if len(names) > 1:
            raise not_found("the address", "/".join([ENDPOINTS[kind], *names]))
        if names[0].lower() == ".search":
            return await self._by_method({"POST": partial(self._search, kind)})
        methods = {"GET": self._get, "PUT": self._replace, "PATCH": self._patch, "DELETE": self._delete}
        return await self._by_method({name: partial(method, kind, names[0]) for name, method in methods.items()})

    async def _by_method(self, methods: Mapping[str, Handler]) -> Response:
        method = "GET" if self._request.method == "HEAD" else self._request.method
        if handler := methods.get(method):
            return await handler()
        error = ScimError(405, f"{method} is not possible here", f"use {', '.join(methods)}")
        return error_response(error, {"allow": ", ".join(methods)})

    # ---- discovery

    async def _config(self) -> Response:
        return self._json(service_provider_config(self._base, self._token_endpoint))

    async def _documents(self, collection: str, name: str | None = None) -> Response:
        if name is not None:
            return self._json(document(self._base, collection, name))
        if "filter" in self._request.query_params:  # RFC 7644, section 4: a client must not take it for the answer.
            raise ScimError(403, f"{collection} cannot be filtered")
        found = documents(self._base, collection)
        return self._json(list_of(found, total=len(found), start=1))

    # ---- listings

    async def _list(self, kind: Kind) -> Response:
        return await self._listed([read_query(kind, self._request.query_params)])

    async def _search(self, *kinds: Kind) -> Response:
        def read(body: bytes) -> list[ListQuery]:
            sent = decoded(body)
            return [read_query(kind, sent) for kind in kinds]

        return await self._listed(await self._read(read))

    async def _listed(self, queries: Sequence[ListQuery]) -> Response:
        listing = Listing(self._store, self._directory, self._base, _CURSORS)
        return self._json(await listing.answer(*queries))

    # ---- one resource

    async def _get(self, kind: Kind, resource_id: str) -> Response:
        projection = self._projection(kind)
        stored = await self._stored(kind, resource_id, projection)
        if _names_version(self._request.headers.get("if-none-match"), stored.version):
            return Response(status_code=304, headers={"etag": entity_tag(stored.version)})
        return self._resource(stored, projection)

    async def _create(self, kind: Kind) -> Response:
        resource, members = await self._read(lambda body: read_resource(kind, decoded(body)))
        projection = self._projection(kind)
        stored = await self._changed(CreateResource(kind, resource, members or ()))
        if members and projection.shows("members"):
            stored = await self._stored(kind, stored.id, projection)
        return self._resource(stored, projection, 201)

    async def _replace(self, kind: Kind, resource_id: str) -> Response:
        resource, members = await self._read(lambda body: read_resource(kind, decoded(body)))
        projection = self._projection(kind)
        if_match = await self._if_match(kind, resource_id)
        await self._changed(ReplaceResource(kind, resource_id, resource, members, if_match))
        return self._resource(await self._stored(kind, resource_id, projection), projection)

    async def _patch(self, kind: Kind, resource_id: str) -> Response:
        """204, unless the request names attributes to answer with (RFC 7644, section 3.5.2)."""
        patch = await self._read(lambda body: read_patch(kind, decoded(body)))
        projection = self._projection(kind)
        stored = await self._changed(PatchResource(kind, resource_id, patch, await self._if_match(kind, resource_id)))
        if projection == EVERYTHING:
            return Response(status_code=204, headers={"etag": entity_tag(stored.version)})
        return self._resource(await self._stored(kind, resource_id, projection), projection)

    async def _delete(self, kind: Kind, resource_id: str) -> Response:
        await self._store.change(DeleteResource(kind, resource_id, await self._if_match(kind, resource_id)))
        return Response(status_code=204)

    # ---- parts

    async def _read(self, read: Callable[[bytes], T]) -> T:
        """What ``read`` makes of the body."""
        body = await self._request.body()
        return read(body) if len(body) < LARGE else await asyncio.to_thread(read, body)

    def _projection(self, kind: Kind) -> Projection:
        return read_projection(kind, self._request.query_params)

    async def _stored(self, kind: Kind, resource_id: str, projection: Projection) -> StoredResource:
        members, groups = (projection.shows(name) and kind == of for name, of in _EDGES)
        stored = await self._store.get(kind, resource_id, members=members, groups=groups)
        if stored is None:
            raise not_found(kind, resource_id)
        return stored

    async def _changed(self, operation: CreateResource | ReplaceResource | PatchResource) -> StoredResource:
        stored = await self._store.change(operation)
        if stored is None:
            raise not_found(operation.kind, getattr(operation, "id", ""))
        return stored

    async def _if_match(self, kind: Kind, resource_id: str) -> str | None:
        """The version that the resource must have; None: any. Raises ScimError 412, or 400 if the header names none."""
        header = self._request.headers.get("if-match")
        versions = _versions(header)
        if header is not None and not versions:
            raise invalid_syntax("If-Match names no version", "send the ETag of the resource, or leave the header out")
        if len(versions) <= 1:
            return next((version for version in versions if version != "*"), None)
        stored = await self._stored(kind, resource_id, Projection(wanted={}))
        if stored.version not in versions:
            raise version_differs()
        return stored.version

    def _resource(self, stored: StoredResource, projection: Projection, status: int = 200) -> Response:
        headers = {"etag": entity_tag(stored.version)}
        if status == 201:
            headers["location"] = location(self._base, stored.kind, stored.id)
        return self._json(projection.of(rendered(stored, self._base)), status, headers)

    def _json(self, content: Any, status: int = 200, headers: Mapping[str, str] | None = None) -> Response:
        accept = self._request.headers.get("accept", "").lower()
        plain = accept.startswith("application/json") and MEDIA_TYPE not in accept
        return Response(_encode(content), status, headers, "application/json" if plain else MEDIA_TYPE)


def _versions(header: str | None) -> list[str]:
    """The versions in ``If-Match`` or ``If-None-Match``: weak or strong, or ``*`` (RFC 9110, section 13.1)."""
    if header is None:
        return []
    tags = (tag.strip() for tag in header.split(","))
    return [tag.removeprefix("W/").strip('"') for tag in tags if tag]


def _names_version(header: str | None, version: str) -> bool:
    return bool({version, "*"} & set(_versions(header)))
