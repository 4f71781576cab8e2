"""The mapping of SCIM resources to canonical attributes: data only (RFC 7643, sections 4.1 to 4.3)."""

from __future__ import annotations

from collections.abc import Mapping

from usersyncd.plugin import Kind

ENTERPRISE = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User"


def _entry(attribute: str, *conditions: str) -> str:
    """An expression for the value of the first entry of a multi-valued attribute that meets the earliest condition."""
    found = [f"raw.{attribute}.filter(e, {condition})[0].value" for condition in conditions]
    text = found.pop()
    while found:
        text = f"default({found.pop()}, {text})"
    return text


MAPPING: Mapping[Kind, Mapping[str, str]] = {
    Kind.USER: {
        "email": _entry("emails", "e.primary", 'e.type == "work"', "true"),
        "givenName": "raw.name.givenName",
        "familyName": "raw.name.familyName",
        "displayName": "default(raw.displayName, raw.name.formatted)",
        "department": f'raw["{ENTERPRISE}"].department',
        "division": f'raw["{ENTERPRISE}"].division',
        "costCenter": f'raw["{ENTERPRISE}"].costCenter',
        "organization": f'raw["{ENTERPRISE}"].organization',
        "employeeNumber": f'raw["{ENTERPRISE}"].employeeNumber',
        "manager": f'raw["{ENTERPRISE}"].manager.value',
        "phone": _entry("phoneNumbers", "e.primary", 'e.type == "work"', 'e.type != "mobile"'),
        "mobile": _entry("phoneNumbers", 'e.type == "mobile"'),
        "createdAt": "raw.meta.created",
        "updatedAt": "raw.meta.lastModified",
    },
    Kind.GROUP: {},
}
"""Other canonical attributes are SCIM's attributes of the same name. ``active`` counts as true if it is absent."""
