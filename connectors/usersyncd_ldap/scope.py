"""The scope of a pull: bases and filters for each kind."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from msgspec import Struct

from usersyncd.errors import SourceError
from usersyncd.plugin import Kind
from usersyncd_ldap import dn as dns
from usersyncd_ldap.mapping import Schema
from usersyncd_ldap.options import Groups, LdapOptions, Users
from usersyncd_ldap.rootdse import RootDse

_FILTERED = re.compile(r"\(\s*([A-Za-z][\w;.-]*)\s*(?::[^=]*)?[~<>]?=")


class SearchScope(Struct, frozen=True):
    """Bases and filter of one kind. No base is within another one."""

    bases: tuple[str, ...]
    filter: str
    default: bool
    """Whether the filter is the product's default."""

    @property
    def attributes(self) -> frozenset[str]:
        """The attributes in the filter, in lower case."""
        return frozenset(name.partition(";")[0].lower() for name in _FILTERED.findall(self.filter))


def search_scopes(options: LdapOptions, schema: Schema, root: RootDse) -> Mapping[Kind, SearchScope]:
    """The scope in the options. Raises SourceError when no base can be determined."""
    chosen: dict[Kind, tuple[Users | Groups, str]] = {
        Kind.USER: (options.users, schema.users),
        Kind.GROUP: (options.groups, schema.groups),
    }
    found = {}
    for kind, (option, usual) in chosen.items():
        bases = option.base if option.base is not None else options.base
        if bases is None:
            bases = root.base
        if bases is None:
            raise SourceError(
                f"the server holds {', '.join(root.contexts) or 'no naming contexts that the account may see'}: "
                "it is not clear where to search",
                "set the option base to one of them",
            )
        named = [bases] if isinstance(bases, str) else bases
        found[kind] = SearchScope(_outermost(named), option.filter or usual, option.filter is None)
    return found


def within(dn: str, base: str) -> bool:
    """Whether an entry is this base, or below it."""
    inner, outer = dns.normal(dn), dns.normal(base)
    return not outer or inner == outer or inner.endswith("," + outer)


def _outermost(bases: Sequence[str]) -> tuple[str, ...]:
    """The bases that are not within another one: entries below two of them would be read twice."""
    once = list({dns.normal(base): base for base in bases}.values())
    return tuple(base for base in once if not any(base is not other and within(base, other) for other in once))
