"""How Google's resources become canonical: data only.

The resources are those of the Admin SDK, Directory API (developers.google.com, REST resources users and groups).
"""

from __future__ import annotations

from collections.abc import Mapping

from usersyncd.plugin import Kind

MAPPING: Mapping[Kind, Mapping[str, str]] = {
    Kind.USER: {"userName": "primaryEmail", "email": "primaryEmail", "createdAt": "creationTime"},
    Kind.GROUP: {"displayName": "name"},
}
"""The other canonical attributes are :data:`DERIVED` under their own names, or Google's own."""

DERIVED: Mapping[str, str] = {
    "active": "suspended,archived",
    "givenName": "name(givenName)",
    "familyName": "name(familyName)",
    "displayName": "name(displayName,fullName)",
    "title": "organizations(title,primary)",
    "department": "organizations(department,primary)",
    "costCenter": "organizations(costCenter,primary)",
    "organization": "organizations(name,primary)",
    "userType": "organizations(description,primary)",
    "employeeNumber": "externalIds(value,type)",
    "manager": "relations(value,type)",
    "preferredLanguage": "languages(languageCode,preference)",
    "phone": "phones(value,type,primary)",
    "mobile": "phones(value,type,primary)",
}
"""Attributes that Google keeps inside of lists and maps, each with the fields that it is made of."""

HIDDEN: Mapping[Kind, frozenset[str]] = {
    Kind.USER: frozenset({
        "etag", "hashFunction", "id", "kind", "lastLoginTime", "password", "recoveryEmail", "recoveryPhone",
        "thumbnailPhotoEtag", "thumbnailPhotoUrl",
    }),
    Kind.GROUP: frozenset({"directMembersCount", "etag", "id", "kind"}),
}  # fmt: skip
"""What says nothing about the person, changes by itself, or is nobody's business: read only when a rule names it."""

SCOPE = "https://www.googleapis.com/auth/admin."
USERS, GROUPS, UNITS, REPORTS = (
    f"{SCOPE}{name}.readonly" for name in ("directory.user", "directory.group", "directory.orgunit", "reports.audit")
)
"""The scopes; that of groups covers their members."""
