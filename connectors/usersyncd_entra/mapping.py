"""How Graph's properties become canonical, and what is asked for: data only.

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
"""Canonical names that no property has: Graph refuses a name that it does not know."""

EXTENSIONS = tuple(f"extensionAttribute{number}" for number in range(1, 16))
"""The attributes of onPremisesExtensionAttributes, given as attributes of their own."""

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
"""What is read when a rule wants all of a record: what any tenant has. What else there is, is read when it is named."""

BORN = "createdDateTime"
"""Always set, and never changed: an object that comes with it, in answer to a request for changes only, comes whole."""

VISIBILITY = "visibility"
"""Of a group; says whether its membership is hidden."""

USER_TYPE = "#microsoft.graph.user"
GROUP_TYPE = "#microsoft.graph.group"
OTHER_TYPES = frozenset(f"#microsoft.graph.{name}" for name in ("device", "servicePrincipal", "orgContact"))
"""The members of groups that are neither users nor groups (learn.microsoft.com/graph/api/group-list-members). Any other
type is one that derives from user, such as agentUser."""

PERMISSIONS = {Kind.USER: "User.Read.All", Kind.GROUP: "GroupMember.Read.All"}
"""The least application permissions that read each kind (learn.microsoft.com/graph/api/user-delta, group-delta)."""
HIDDEN = "Member.Read.Hidden"
