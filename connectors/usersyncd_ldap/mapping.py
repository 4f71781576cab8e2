"""The mapping of each product's entries to canonical attributes: data only.

User attributes are those of inetOrgPerson (RFC 2798) and its superior classes (RFC 4519, RFC 4524), and those of Active
Directory's schema. Where the two have different names, the mapping keeps the canonical name, and :data:`SCHEMAS` has
the attribute for each product.
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
    """The handle of a DN; for several, of the first."""
    dn = value[0] if isinstance(value, list) else value
    return _handle(str(dn))


@lru_cache(maxsize=8192)  # About 3 MB. Many users have the same manager: this saves 2 to 3% of a pull's CPU.
def _handle(dn: str) -> str:
    return "dn:" + dns.normal(dn)


class Schema(Struct, frozen=True):
    """The schema of one product. Attribute names in sets are in lower case."""

    key: str
    """The immutable identifier of entries."""
    users: str
    """The default filter for users."""
    groups: str
    """The default filter for groups."""
    members: tuple[str, ...]
    """The attributes with a group's members."""
    names: Mapping[str, str]
    """Name in the mapping -> attribute, for names that are not attributes here."""
    derived: Mapping[str, tuple[str, Callable[[Value], Value]]] = {}
    """Canonical name -> the attribute from which it is computed, and the function."""
    always_present: Mapping[str, str] = {}
    """Attributes that every user has, so an absent one is hidden -> the property set of each."""
    operational: tuple[str, ...] = ()
    """Attributes that the server returns only if requested by name (RFC 4511, section 4.5.1.8)."""
    reference: Callable[[Value], Value] = by_dn
    """Converts a user's manager to an id or handle."""
    bytes: Mapping[str, Callable[[bytes], str]] = {}
    """Binary attributes with a text form."""
    urls: tuple[str, ...] = ()
    """A group's attributes with LDAP URLs of members, if the server itself does not expand them."""
    dynamic: str = ""
    """The filter for groups whose members change without a change of the group."""
    unreported: frozenset[str] = frozenset()
    """Attributes whose changes no change feed of this server reports: computed, or not replicated."""


def _not_locked(value: Value) -> Value:
    """Whether an account is active, from nsAccountLock, which exists only if the account is or was locked."""
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
        urls=(),  # The overlay dynlist expands the members; without it, the URLs have no meaning.
        unreported=frozenset({
            "memberof", "hassubordinates", "numsubordinates", "authtimestamp",
            # Each replica records failed sign-ins on its own (slapo-ppolicy).
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
        # Computers have the objectClass user too, but not the objectCategory person.
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
        always_present={
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
"""Binary attributes. They are read only when a rule names them."""

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
"""Text attributes, in lower case: bytes that are not UTF-8 are invalid text, not binary."""

SECRET = frozenset({
    "authpassword", "krbprincipalkey", "msds-managedpassword", "ms-mcs-admpwd", "mslaps-password", "olcrootpw",
    "pwdhistory", "sambalmpassword", "sambantpassword", "sambapasswordhistory", "unicodepwd", "userpassword",
})  # fmt: skip
"""Secret attributes. They are read only when a rule names them."""
