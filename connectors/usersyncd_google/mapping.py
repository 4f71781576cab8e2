"""The mapping of Google's resources to canonical attributes: data only.

The resources are those of the Admin SDK, Directory API (developers.google.com, REST resources users and groups).
"""

from __future__ import annotations

from collections.abc import Mapping

from usersyncd.plugin import Kind

MAPPING: Mapping[Kind, Mapping[str, str]] = {
    Kind.USER: {"userName": "primaryEmail", "email": "primaryEmail", "createdAt": "creationTime"},
    Kind.GROUP: {"displayName": "name"},
}
"""The other canonical attributes are :data:`DERIVED`, or Google's attributes of the same name."""

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
"""Attributes that Google stores inside lists and maps, each with its fields."""

HIDDEN: Mapping[Kind, frozenset[str]] = {
    Kind.USER: frozenset({
        "etag", "hashFunction", "id", "kind", "lastLoginTime", "password", "recoveryEmail", "recoveryPhone",
        "thumbnailPhotoEtag", "thumbnailPhotoUrl",
    }),
    Kind.GROUP: frozenset({"directMembersCount", "etag", "id", "kind"}),
}  # fmt: skip
"""Attributes that do not describe the person, change by themselves, or are private: read only when a rule names
them."""

SCOPE = "https://www.googleapis.com/auth/admin."
USERS, GROUPS, UNITS, REPORTS = (
    f"{SCOPE}{name}.readonly" for name in ("directory.user", "directory.group", "directory.orgunit", "reports.audit")
)
"""The OAuth scopes; the scope of groups covers their members."""
