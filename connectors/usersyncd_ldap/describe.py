"""What a server says about itself, for a person."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

import ldap

from usersyncd_ldap.client import Server
from usersyncd_ldap.options import LdapOptions

Attributes = Mapping[str, Sequence[bytes]]


def describe(server: Server, options: LdapOptions) -> Iterator[str]:
    """What was found, line by line. Raises SourceError when a base is not there."""
    root = server.read("", ["*", "+"])
    yield f"{_product(root)} at {server.url}"
    yield f"signed in as {server.who_am_i() or 'anonymous'}, {_security(server.url, options)}"
    yield f"holds {', '.join(_texts(root, 'namingContexts')) or 'no naming contexts that we may see'}"
    paged = ldap.CONTROL_PAGEDRESULTS in _texts(root, "supportedControl")
    yield (
        f"reads {options.page_size:,} entries at a time"
        if paged
        else "reads everything at once: the server has no pages"
    )
    for kind, scope in (("users", options.users), ("groups", options.groups)):
        base = options.base if scope.base is None else scope.base
        server.read(base, ["1.1"])
        yield f"{kind}: {scope.filter} below {base or 'the root'}"


def _product(root: Attributes) -> str:
    """RFC 3045 names the vendor and its version; OpenLDAP gives away only the class of its root DSE."""
    said = [*_texts(root, "vendorName"), *_texts(root, "vendorVersion")]
    if said:
        return " ".join(said)
    return "OpenLDAP" if "OpenLDAProotDSE" in _texts(root, "objectClass") else "an LDAP server that gives no name"


def _security(url: str, options: LdapOptions) -> str:
    if not (url.startswith("ldaps:") or options.tls.start_tls):
        return "unencrypted"
    how = "ldaps" if url.startswith("ldaps:") else "StartTLS"
    return f"by {how}, the certificate {'verified' if options.tls.verify else 'NOT verified'}"


def _texts(entry: Attributes, name: str) -> list[str]:
    found = [values for key, values in entry.items() if key.lower() == name.lower()]
    return [value.decode(errors="replace") for values in found for value in values]
