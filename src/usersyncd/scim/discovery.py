"""What the service says of itself (RFC 7643, sections 5 to 7): ServiceProviderConfig, ResourceTypes, Schemas."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import cache
from typing import Any

from scim2_models import (
    AuthenticationScheme,
    Bulk,
    ChangePassword,
    EnterpriseUser,
    ETag,
    Filter,
    Group,
    Pagination,
    Patch,
    Resource,
    ResourceType,
    Schema,
    ServiceProviderConfig,
    Sort,
    User,
)

from usersyncd.plugin import Kind
from usersyncd.scim.errors import not_found
from usersyncd.scim.listing import CURSOR_SECONDS
from usersyncd.scim.query import LONGEST_PAGE, PAGE
from usersyncd.scim.schema import SCHEMAS


@cache
def _config(token_endpoint: str | None) -> dict[str, Any]:
    schemes = [
        AuthenticationScheme(
            type=AuthenticationScheme.Type.oauthbearertoken,
            name="Bearer token",
            description="Authorization: Bearer, with a token of this directory (RFC 6750)",
            primary=True,
        )
    ]
    if token_endpoint is not None:
        schemes.append(
            AuthenticationScheme(
                type=AuthenticationScheme.Type.oauth2,
                name="OAuth 2.0 client credentials",
                description=f"Authorization: Bearer, with an access token that POST {token_endpoint} gives to this"
                " directory's client (RFC 6749, section 4.4)",
            )
        )
    return _dumped(
        ServiceProviderConfig(
            patch=Patch(supported=True),
            bulk=Bulk(supported=False, max_operations=0, max_payload_size=0),
            filter=Filter(supported=True, max_results=LONGEST_PAGE),
            change_password=ChangePassword(supported=False),
            sort=Sort(supported=True),
            etag=ETag(supported=True),
            authentication_schemes=schemes,
            pagination=Pagination(
                cursor=True,
                index=True,
                default_pagination_method=Pagination.DefaultPaginationMethod.index,
                default_page_size=PAGE,
                max_page_size=LONGEST_PAGE,
                cursor_timeout=CURSOR_SECONDS,
            ),
        )
    )


@cache
def _resource_types() -> Mapping[str, dict[str, Any]]:
    user = ResourceType.from_resource(User[EnterpriseUser])
    return {str(found.id): _dumped(found) for found in (user, ResourceType.from_resource(Group))}


@cache
def _schemas() -> Mapping[str, dict[str, Any]]:
    found: Sequence[Schema] = [schema for kind in Kind for schema in SCHEMAS[kind]]
    return {str(schema.id): _dumped(schema) for schema in found}


def _dumped(resource: Resource[Any]) -> dict[str, Any]:
    return resource.model_dump()


_DOCUMENTS: Mapping[str, Callable[[], Mapping[str, dict[str, Any]]]] = {
    "ResourceTypes": _resource_types,
    "Schemas": _schemas,
}
COLLECTIONS = tuple(_DOCUMENTS)


def service_provider_config(base: str, token_endpoint: str | None = None) -> dict[str, Any]:
    """``token_endpoint``: where the directory's OAuth client gets access tokens; None: it has no client."""
    return _located(_config(token_endpoint), "ServiceProviderConfig", f"{base}/ServiceProviderConfig")


def documents(base: str, collection: str) -> list[dict[str, Any]]:
    """All documents of ``ResourceTypes`` or ``Schemas``."""
    found = _DOCUMENTS[collection]()
    return [_located(document, collection[:-1], f"{base}/{collection}/{name}") for name, document in found.items()]


def document(base: str, collection: str, name: str) -> dict[str, Any]:
    """One of them, by its name or URN in any case. Raises ScimError 404."""
    for found in documents(base, collection):
        if str(found["id"]).lower() == name.lower():
            return found
    raise not_found(collection[:-1], name)


def _located(found: Mapping[str, Any], kind: str, location: str) -> dict[str, Any]:
    return {**found, "meta": {"resourceType": kind, "location": location}}
