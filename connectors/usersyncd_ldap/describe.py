"""What a server says about itself, for a person."""

from __future__ import annotations

from collections.abc import Iterator

import ldap

from usersyncd.plugin import Kind
from usersyncd_ldap.choice import choose
from usersyncd_ldap.options import LdapOptions
from usersyncd_ldap.reading import Reading


def describe(reading: Reading, options: LdapOptions) -> Iterator[str]:
    """What was found, line by line. Raises SourceError when a base is not there."""
    server, root = reading.server, reading.root
    yield f"{root.name} at {server.url}"
    yield f"signed in as {server.who_am_i() or 'anonymous'}, {_security(server.url, options)}"
    yield f"holds {', '.join(root.contexts) or 'no naming contexts that we may see'}"
    paged = ldap.CONTROL_PAGEDRESULTS in root.controls
    yield (
        f"reads {options.page_size:,} entries at a time"
        if paged
        else "reads everything at once: the server has no pages"
    )
    for kind, part in reading.parts.items():
        for base in part.bases:
            server.read(base, ["1.1"])
        yield f"{kind}s: {part.filter} below {' and '.join(base or 'the root' for base in part.bases)}"
    if reading.schema.dynamic and (groups := len(reading.find(Kind.GROUP, reading.schema.dynamic, ["1.1"]))):
        yield f"dynamic groups, whose members are read in every pull: {groups:,}"
    choice = choose(reading, options)
    yield f"strategy {choice.name}: {choice.why}"


def _security(url: str, options: LdapOptions) -> str:
    if url.startswith("ldapi:"):
        return "over a socket of this machine"
    if options.sasl == "gssapi" and not (url.startswith("ldaps:") or options.tls.start_tls):
        return "encrypted by Kerberos"
    if not (url.startswith("ldaps:") or options.tls.start_tls):
        return "unencrypted"
    how = "ldaps" if url.startswith("ldaps:") else "StartTLS"
    return f"by {how}, the certificate {'verified' if options.tls.verify else 'NOT verified'}"
