"""Attributes that 389 Directory Server computes from other entries, through roles and classes of service.

Locking a role locks all users that have it, without a change of their entries. A user's roles are in its own entry or
computed from it (nsRoleFilter), so it is enough to watch the definitions, and the templates with the values.
"""

from __future__ import annotations

from collections.abc import Iterator

from usersyncd_ldap.attributes import Entry
from usersyncd_ldap.cursor import fingerprint
from usersyncd_ldap.session import KINDS, Session

SHOWN = "(|(objectClass=ldapsubentry)(objectClass=*))"
"""Definitions are subentries, which the server returns only if the filter names their class."""
DEFINITIONS = (
    f"(&{SHOWN}(|(objectClass=nsRoleDefinition)(objectClass=cosSuperDefinition)(objectClass=cosDefinition)"
    "(objectClass=cosTemplate)))"
)
INDIRECT = f"(&{SHOWN}(objectClass=cosIndirectDefinition))"
"""Classes of service with values from an entry to which the user's entry refers."""


def definitions(session: Session) -> str:
    """The fingerprint of all roles and classes of service that the account may see."""
    asked = sorted({"*", "nsRoleDN", *(name for kind in KINDS for name in session.reader(kind).asks)})
    return fingerprint({dn: _texts(entry) for dn, entry in _found(session, DEFINITIONS, asked)})


def _texts(entry: Entry) -> dict[str, list[str]]:
    return {name.lower(): sorted(value.hex() for value in values) for name, values in entry.items()}


def indirect_class(session: Session) -> str | None:
    """A class of service that takes an attribute in use from other entries; None: there is none."""
    for dn, entry in _found(session, INDIRECT, ["cosAttribute"]):
        for value in (value.decode().lower().split() for values in entry.values() for value in values):
            if value and _is_read(session, value[0]):
                return f"the class of service {dn} takes {value[0]} from other entries"
    return None


def _is_read(session: Session, attribute: str) -> bool:
    return any(session.reads[kind] is None or attribute in map(str.lower, session.reader(kind).asks) for kind in KINDS)


def _found(session: Session, filterstr: str, asked: list[str]) -> Iterator[tuple[str, Entry]]:
    for suffix in session.suffixes:
        yield from session.server.find(suffix, filterstr, asked)
