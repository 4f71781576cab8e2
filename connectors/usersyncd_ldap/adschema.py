"""Finds the attributes that Active Directory computes when they are read. Its schema marks them (MS-ADTS, section
3.1.1.2.3), so attributes of later versions and of an organization's own schema are found too."""

from __future__ import annotations

from collections.abc import Iterable

from ldap.filter import escape_filter_chars

from usersyncd.errors import SourceError
from usersyncd_ldap.client import Server

_ALL_BITS = "1.2.840.113556.1.4.803"
"""LDAP_MATCHING_RULE_BIT_AND."""
_COMPUTED = f"(|(systemFlags:{_ALL_BITS}:=4)(linkID:{_ALL_BITS}:=1))"
"""Constructed attributes, and back links, whose link id is odd."""

_FROM_THE_ENTRY = frozenset({
    "canonicalname", "createtimestamp", "modifytimestamp", "msds-principalname", "primarygrouptoken",
    "structuralobjectclass",
})  # fmt: skip
"""Constructed from the entry alone, whose changes are reported."""


def computed(server: Server, schema: str, names: Iterable[str] | None) -> frozenset[str]:
    """The attributes among ``names`` (None: all), in lower case, that change without a change of the entry. ``schema``
    is the schema's DN; empty if it may not be read."""
    wanted = (f"(lDAPDisplayName={escape_filter_chars(name)})" for name in sorted(names or ()))
    named = "" if names is None else f"(|{''.join(wanted)})"
    try:
        entries = server.find(schema, f"(&(objectClass=attributeSchema){named}{_COMPUTED})", ["lDAPDisplayName"])
    except SourceError:
        return frozenset()
    found = {value.decode().lower() for _, entry in entries for values in entry.values() for value in values}
    return frozenset(found - _FROM_THE_ENTRY)
