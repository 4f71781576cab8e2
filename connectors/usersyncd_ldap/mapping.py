"""How the entries of common schemas become canonical: data only.

The attributes of people are those of inetOrgPerson (RFC 2798) and what it inherits (RFC 4519, RFC 4524).
"""

from __future__ import annotations

from collections.abc import Mapping

from usersyncd.plugin import Kind

MAPPING: Mapping[Kind, Mapping[str, str]] = {
    Kind.USER: {
        "userName": "uid",
        "email": "mail",
        "givenName": "givenName",
        "familyName": "sn",
        "displayName": "displayName",
        "title": "title",
        "department": "departmentNumber",
        "organization": "o",
        "employeeNumber": "employeeNumber",
        "userType": "employeeType",
        "manager": "manager",
        "preferredLanguage": "preferredLanguage",
        "phone": "telephoneNumber",
        "mobile": "mobile",
        "createdAt": "createTimestamp",
        "updatedAt": "modifyTimestamp",
    },
    Kind.GROUP: {"displayName": "cn", "description": "description", "email": "mail"},
}

KEY = "entryUUID"
"""The attribute that identifies an entry for life (RFC 4530)."""

OPERATIONAL = (KEY, "createTimestamp", "modifyTimestamp")
"""Attributes that a server gives only when they are named (RFC 4511, section 4.5.1.8)."""

TIMES = ("createTimestamp", "modifyTimestamp")
"""Attributes in generalized time (RFC 4517, section 3.3.13)."""

BINARY = frozenset({
    "audio", "cacertificate", "crosscertificatepair", "jpegphoto", "photo", "thumbnailphoto", "usercertificate",
    "userpkcs12", "usersmimecertificate",
})  # fmt: skip
"""Attributes that are not text. They are read only when a rule names them."""

SECRET = frozenset({
    "authpassword", "krbprincipalkey", "olcrootpw", "pwdhistory", "sambalmpassword", "sambantpassword",
    "sambapasswordhistory", "unicodepwd", "userpassword",
})  # fmt: skip
"""Attributes that are nobody's business. They are read only when a rule names them."""

MEMBERS = ("member", "uniqueMember", "memberUid")
"""The attributes that hold a group's members: groupOfNames, groupOfUniqueNames (RFC 4519), posixGroup (RFC 2307)."""
