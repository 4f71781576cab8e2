"""How the entries of each kind of server become canonical: data only.

The attributes of people are those of inetOrgPerson (RFC 2798) and what it inherits (RFC 4519, RFC 4524), and those of
Active Directory's schema. Where the two have different names for one thing, the mapping leaves the canonical name as it
is, and :data:`SCHEMAS` says which attribute it is on which server.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import lru_cache

from msgspec import Struct
from msgspec.structs import replace

from usersyncd.plugin import Kind, Value
from usersyncd_ldap import ad
from usersyncd_ldap import dn as dns
from usersyncd_ldap.rootdse import Product

MAPPING: Mapping[Kind, Mapping[str, str]] = {
    Kind.USER: {
        "email": "mail",
        "familyName": "sn",
        "userType": "employeeType",
        "phone": "telephoneNumber",
        "createdAt": "createTimestamp",
        "updatedAt": "modifyTimestamp",
    },
    Kind.GROUP: {"displayName": "cn", "email": "mail"},
}


def by_dn(value: Value) -> Value:
    """A DN as a handle; of several, the first."""
    dn = value[0] if isinstance(value, list) else value
    return _handle(str(dn))


@lru_cache(maxsize=8192)  # About 3 MB. A manager is named by many people: this saves 2 to 3% of a pull's CPU.
def _handle(dn: str) -> str:
    return "dn:" + dns.normal(dn)


class Schema(Struct, frozen=True):
    """What entries look like on one kind of server. Names of attributes in sets are in lower case."""

    key: str
    """The attribute that identifies an entry for life."""
    users: str
    """The filter that finds people, when the admin gives none."""
    groups: str
    """The filter that finds groups, when the admin gives none."""
    members: tuple[str, ...]
    """The attributes that hold a group's members."""
    names: Mapping[str, str]
    """The attribute behind a name of the mapping that is no attribute here."""
    derived: Mapping[str, tuple[str, Callable[[Value], Value]]] = {}
    """Canonical name -> the attribute that it is computed from, and how."""
    certain: Mapping[str, str] = {}
    """Attributes that every user has, so that they are hidden where they are absent -> the property set of each."""
    operational: tuple[str, ...] = ()
    """Attributes that the server gives only when they are named (RFC 4511, section 4.5.1.8)."""
    reference: Callable[[Value], Value] = by_dn
    """How a user's manager is named, so that it is found as a member is."""
    bytes: Mapping[str, Callable[[bytes], str]] = {}
    """Attributes that are not text but have a text form."""
    urls: tuple[str, ...] = ()
    """The attributes of a group whose LDAP URLs say who is a member, where the server itself makes nothing of them."""
    dynamic: str = ""
    """The filter that finds groups whose members change without a change of the group."""
    unreported: frozenset[str] = frozenset()
    """Attributes whose changes no change feed of this server tells: computed, or kept by each server for itself."""


def _not_locked(value: Value) -> Value:
    """From nsAccountLock, which is there only when the account is or was locked."""
    return not (isinstance(value, str) and value.lower() == "true")


_INETORGPERSON = {"userName": "uid", "department": "departmentNumber", "organization": "o"}
_USERS = "(|(objectClass=inetOrgPerson)(objectClass=posixAccount))"
_GROUPS = "(|(objectClass=groupOfNames)(objectClass=groupOfUniqueNames)(objectClass=posixGroup))"
_MEMBERS = ("member", "uniqueMember", "memberUid")
"""groupOfNames, groupOfUniqueNames (RFC 4519), posixGroup (RFC 2307)."""
_TIMES = ("createTimestamp", "modifyTimestamp")

RFC_4511 = Schema(
    key="entryUUID",  # RFC 4530
    users=_USERS,
    groups=_GROUPS,
    members=_MEMBERS,
    names=_INETORGPERSON,
    operational=("entryUUID", *_TIMES),
    urls=("memberURL",),
    dynamic="(|(memberURL=*)(labeledURI=*))",
)

SCHEMAS: Mapping[Product, Schema] = {
    Product.OTHER: RFC_4511,
    Product.OPENLDAP: replace(
        RFC_4511,
        urls=(),  # The overlay dynlist is set to fill in the members; without it, the URLs are nobody's.
        unreported=frozenset({
            "memberof", "hassubordinates", "numsubordinates", "authtimestamp",
            # A replica notes by itself who failed to sign in there (slapo-ppolicy).
            "pwdaccountlockedtime", "pwdfailuretime", "pwdgraceusetime", "pwdlastsuccess",
        }),
    ),
    Product.DS389: replace(
        RFC_4511,
        key="nsUniqueId",
        derived={"active": ("nsAccountLock", _not_locked)},
        operational=("nsUniqueId", *_TIMES),
        unreported=frozenset({"hassubordinates", "numsubordinates", "nsrole", "lastlogintime"}),
    ),
    Product.ACTIVE_DIRECTORY: Schema(
        key="objectGUID",
        # A computer is a user as well (objectClass), but not a person (objectCategory).
        users="(&(objectCategory=person)(objectClass=user))",
        groups="(objectClass=group)",
        members=("member",),
        names={
            "userName": "sAMAccountName", "organization": "company",
            "createTimestamp": "whenCreated", "modifyTimestamp": "whenChanged",
        },
        derived={
            "active": ("userAccountControl", ad.is_active),
            "validUntil": ("accountExpires", ad.valid_until),
        },
        certain={
            "userAccountControl": ad.ACCOUNT_RESTRICTIONS, "accountExpires": ad.ACCOUNT_RESTRICTIONS,
            "sAMAccountName": ad.GENERAL_INFORMATION, "primaryGroupID": ad.GENERAL_INFORMATION,
        },
        reference=ad.reference,
        bytes={"objectguid": ad.guid, "objectsid": ad.sid},
        unreported=frozenset({
            "memberof", "directreports", "managedobjects", "tokengroups", "lastlogon", "lastlogoff", "logoncount",
            "badpwdcount", "badpasswordtime", "usnchanged", "usncreated", "whenchanged", "dscorepropagationdata",
            "msds-user-account-control-computed", "msds-userpasswordexpirytimecomputed", "msds-resultantpso",
            "msds-revealedlist",
        }),
    ),
}  # fmt: skip

TIMES = (*_TIMES, "whenCreated", "whenChanged")
"""Attributes in generalized time (RFC 4517, section 3.3.13)."""

BINARY = frozenset({
    "audio", "cacertificate", "crosscertificatepair", "jpegphoto", "photo", "thumbnaillogo", "thumbnailphoto",
    "usercertificate", "userpkcs12", "usersmimecertificate",
})  # fmt: skip
"""Attributes that are not text. They are read only when a rule names them."""

TEXT = frozenset({
    "c", "carlicense", "cn", "co", "comment", "company", "department", "departmentnumber", "description",
    "destinationindicator", "displayname", "displaynameprintable", "division", "employeeid", "employeenumber",
    "employeetype", "facsimiletelephonenumber", "gecos", "generationqualifier", "givenname", "homedirectory",
    "homephone", "homepostaladdress", "info", "initials", "ipphone", "l", "labeleduri", "mail", "mailnickname",
    "manager", "middlename", "mobile", "name", "o", "ou", "pager", "personaltitle", "physicaldeliveryofficename",
    "postaladdress", "postalcode", "postofficebox", "preferredlanguage", "proxyaddresses", "roomnumber",
    "samaccountname", "secretary", "sn", "st", "street", "streetaddress", "telephonenumber", "title", "uid",
    "uniqueidentifier", "url", "userprincipalname", "wwwhomepage", "entryuuid", "nsuniqueid",
    *(f"extensionattribute{number}" for number in range(1, 16)),
})  # fmt: skip
"""Attributes that are text, in lower case: what is no UTF-8 in them is broken, and not binary."""

SECRET = frozenset({
    "authpassword", "krbprincipalkey", "msds-managedpassword", "ms-mcs-admpwd", "mslaps-password", "olcrootpw",
    "pwdhistory", "sambalmpassword", "sambantpassword", "sambapasswordhistory", "unicodepwd", "userpassword",
})  # fmt: skip
"""Attributes that are nobody's business. They are read only when a rule names them."""
