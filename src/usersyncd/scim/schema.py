"""The attributes that SCIM defines for users and groups, as a table that is read without case.

It is built from the models of scim2-models (RFC 7643, sections 3.1, 4.1 to 4.3). What is not in it (attributes and
extensions of the provider) is kept as it was sent.
"""

from __future__ import annotations

from collections.abc import Mapping

from msgspec import Struct
from scim2_models import Attribute, EnterpriseUser, Group, Mutability, Schema, Uniqueness, User

from usersyncd.plugin import Kind

USER = "urn:ietf:params:scim:schemas:core:2.0:User"
GROUP = "urn:ietf:params:scim:schemas:core:2.0:Group"
ENTERPRISE = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User"
CORE: Mapping[Kind, str] = {Kind.USER: USER, Kind.GROUP: GROUP}


def _schema_of_users() -> Schema:
    return User.to_schema().model_copy(update={"description": "User Account"})  # RFC 7643, section 8.7.1.


def _schema_of_groups() -> Schema:
    """Names are unique, and what a member is called is the member's to say."""
    schema = Group.to_schema()
    for attribute in schema.attributes or ():
        if attribute.name == "displayName":
            attribute.uniqueness = Uniqueness.server
        for part in attribute.sub_attributes or ():
            if part.name == "display":
                part.mutability = Mutability.read_only
    return schema


SCHEMAS: Mapping[Kind, tuple[Schema, ...]] = {
    Kind.USER: (_schema_of_users(), EnterpriseUser.to_schema()),
    Kind.GROUP: (_schema_of_groups(),),
}
"""The core schema of each kind, then its extensions."""


class Definition(Struct, frozen=True):
    """What RFC 7643 says of one attribute. ``type`` is its SCIM data type; ``parts`` are the sub-attributes of a
    complex attribute, by name in lower case."""

    name: str
    type: str
    many: bool = False
    case_exact: bool = False
    writable: bool = True
    required: bool = False
    parts: Mapping[str, Definition] = {}


Definitions = Mapping[str, Definition]
"""By attribute name in lower case."""


def _defined(attribute: Attribute) -> Definition:
    return Definition(
        name=str(attribute.name),
        type=str(attribute.type.value if attribute.type else "string"),
        many=bool(attribute.multi_valued),
        case_exact=bool(attribute.case_exact and attribute.case_exact.value),
        writable=attribute.mutability is None or attribute.mutability.value != "readOnly",
        required=bool(attribute.required and attribute.required.value),
        parts=_by_name(attribute.sub_attributes or []),
    )


def _by_name(attributes: list[Attribute]) -> Definitions:
    return {str(attribute.name).lower(): _defined(attribute) for attribute in attributes}


_META = ("resourceType", "created", "lastModified", "location", "version")
_COMMON: Definitions = {
    "schemas": Definition("schemas", "reference", many=True, case_exact=True),
    "id": Definition("id", "string", case_exact=True, writable=False),
    "externalid": Definition("externalId", "string", case_exact=True),
    "meta": Definition(
        "meta",
        "complex",
        writable=False,
        parts={
            name.lower(): Definition(
                name, "dateTime" if name in {"created", "lastModified"} else "string", case_exact=True, writable=False
            )
            for name in _META
        },
    ),
}
"""RFC 7643, section 3.1."""

ATTRIBUTES: Mapping[Kind, Definitions] = {
    kind: {**_COMMON, **_by_name(schemas[0].attributes or [])} for kind, schemas in SCHEMAS.items()
}
EXTENSIONS: Mapping[Kind, Mapping[str, Definitions]] = {
    kind: {str(schema.id): _by_name(schema.attributes or []) for schema in schemas[1:]}
    for kind, schemas in SCHEMAS.items()
}
"""The attributes of each extension that we know, by its URN."""
_URNS = {urn.lower(): urn for urn in (USER, GROUP, ENTERPRISE)}


def canonical_urn(urn: str) -> str:
    """The URN as RFC 7643 spells it, if we know it (URNs are compared without case, RFC 8141)."""
    return _URNS.get(urn.lower(), urn)
