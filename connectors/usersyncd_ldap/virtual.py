"""Attributes that 389 Directory Server computes from other entries: by roles and classes of service.

A locked role locks everybody who has it; no entry of a person changes. Who has a role stands in the person's own entry,
or is computed from it (nsRoleFilter), so it is enough to watch the definitions, and the templates with the values.
"""

from __future__ import annotations

from collections.abc import Iterator

from usersyncd_ldap.cursor import fingerprint
from usersyncd_ldap.entries import Entry
from usersyncd_ldap.reading import KINDS, Reading

SHOWN = "(|(objectClass=ldapsubentry)(objectClass=*))"
"""Definitions are subentries, which the server shows to those who name their class."""
DEFINITIONS = (
    f"(&{SHOWN}(|(objectClass=nsRoleDefinition)(objectClass=cosSuperDefinition)(objectClass=cosDefinition)"
    "(objectClass=cosTemplate)))"
)
INDIRECT = f"(&{SHOWN}(objectClass=cosIndirectDefinition))"
"""Classes of service that take values from an entry that the person's own one names."""


def definitions(reading: Reading) -> str:
    """The fingerprint of all roles and classes of service that the account may see."""
    asked = sorted({"*", "nsRoleDN", *(name for kind in KINDS for name in reading.reader(kind).asks)})
    return fingerprint({dn: _texts(entry) for dn, entry in _found(reading, DEFINITIONS, asked)})


def _texts(entry: Entry) -> dict[str, list[str]]:
    return {name.lower(): sorted(value.hex() for value in values) for name, values in entry.items()}


def given_by_others(reading: Reading) -> str | None:
    """A class of service that gives an attribute that is read from other people's entries; None: there is none."""
    for dn, entry in _found(reading, INDIRECT, ["cosAttribute"]):
        for value in (value.decode().lower().split() for values in entry.values() for value in values):
            if value and _is_read(reading, value[0]):
                return f"the class of service {dn} takes {value[0]} from other entries"
    return None


def _is_read(reading: Reading, attribute: str) -> bool:
    return any(reading.reads[kind] is None or attribute in map(str.lower, reading.reader(kind).asks) for kind in KINDS)


def _found(reading: Reading, filterstr: str, asked: list[str]) -> Iterator[tuple[str, Entry]]:
    for suffix in reading.suffixes:
        yield from reading.server.find(suffix, filterstr, asked)
