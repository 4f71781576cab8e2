"""The mapping of Graph's properties to canonical attributes, and the properties to request: data only.

The properties are those of learn.microsoft.com/graph/api/resources/user and group.
"""

from __future__ import annotations

from collections.abc import Mapping

from usersyncd.plugin import CANONICAL, Kind

MAPPING: Mapping[Kind, Mapping[str, str]] = {
    Kind.USER: {
        "userName": "userPrincipalName",
        "email": "mail",
        "givenName": "givenName",
        "familyName": "surname",
        "displayName": "displayName",
        "active": "accountEnabled",
        "userType": "userType",
        "title": "jobTitle",
        "department": "department",
        "organization": "companyName",
        "employeeNumber": "employeeId",
        "manager": "manager",
        "preferredLanguage": "preferredLanguage",
        "phone": "businessPhone",
        "mobile": "mobilePhone",
        "createdAt": "createdDateTime",
    },
    Kind.GROUP: {"displayName": "displayName", "description": "description", "email": "mail"},
}

NOT_GRAPHS = {kind: frozenset(CANONICAL[kind]) - set(MAPPING[kind].values()) for kind in Kind}
"""Canonical names without a property of this name: Graph refuses unknown names."""

EXTENSIONS = tuple(f"extensionAttribute{number}" for number in range(1, 16))
"""The attributes inside onPremisesExtensionAttributes, provided as separate attributes."""

EVERYTHING: Mapping[Kind, frozenset[str]] = {
    Kind.USER: frozenset(MAPPING[Kind.USER].values())
    | {
        "city", "country", "employeeType", "officeLocation", "onPremisesImmutableId", "onPremisesSamAccountName",
        "onPremisesSyncEnabled", "otherMails", "postalCode", "proxyAddresses", "state", "streetAddress",
        "usageLocation", *EXTENSIONS,
    },
    Kind.GROUP: frozenset(MAPPING[Kind.GROUP].values())
    | {
        "createdDateTime", "groupTypes", "mailEnabled", "mailNickname", "onPremisesSamAccountName",
        "onPremisesSyncEnabled", "securityEnabled", "visibility",
    },
}  # fmt: skip
"""The properties to read when a rule needs the whole record: those that every tenant has. Others are read when a rule
names them."""

BORN = "createdDateTime"
"""Always set, and never changed: in a round of changes, an object with this property is complete."""

VISIBILITY = "visibility"
"""The property that marks groups with hidden membership."""

USER_TYPE = "#microsoft.graph.user"
GROUP_TYPE = "#microsoft.graph.group"
OTHER_TYPES = frozenset(f"#microsoft.graph.{name}" for name in ("device", "servicePrincipal", "orgContact"))
"""Types of members that are neither users nor groups (learn.microsoft.com/graph/api/group-list-members). All other
types derive from user, such as agentUser."""

PERMISSIONS = {Kind.USER: "User.Read.All", Kind.GROUP: "GroupMember.Read.All"}
"""The least privileged application permission for reading each kind (learn.microsoft.com/graph/api/user-delta,
group-delta)."""
HIDDEN = "Member.Read.Hidden"
