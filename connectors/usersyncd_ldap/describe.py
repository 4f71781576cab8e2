"""Describes a server for ``check``."""

from __future__ import annotations

from collections.abc import Iterator

import ldap

from usersyncd.plugin import Kind
from usersyncd_ldap.choice import choose
from usersyncd_ldap.options import LdapOptions
from usersyncd_ldap.session import Session


def describe(session: Session, options: LdapOptions) -> Iterator[str]:
    """The description, line by line. Raises SourceError when a base does not exist."""
    server, root = session.server, session.root
    yield f"{root.name} at {server.url}"
    yield f"signed in as {server.who_am_i() or 'anonymous'}, {_security(server.url, options)}"
    yield f"holds {', '.join(root.contexts) or 'no naming contexts that the account may see'}"
    paged = ldap.CONTROL_PAGEDRESULTS in root.controls
    yield (
        f"reads {options.page_size:,} entries at a time"
        if paged
        else "reads everything at once: the server does not support pages"
    )
    for kind, scope in session.scopes.items():
        for base in scope.bases:
            server.read(base, ["1.1"])
        yield f"{kind}s: {scope.filter} below {' and '.join(base or 'the root' for base in scope.bases)}"
    if session.schema.dynamic and (groups := len(session.find(Kind.GROUP, session.schema.dynamic, ["1.1"]))):
        yield f"dynamic groups, whose members are read in every pull: {groups:,}"
    choice = choose(session, options)
    yield f"strategy {choice.name}: {choice.why}"


def _security(url: str, options: LdapOptions) -> str:
    if url.startswith("ldapi:"):
        return "over a local socket"
    if options.sasl == "gssapi" and not (url.startswith("ldaps:") or options.tls.start_tls):
        return "encrypted by Kerberos"
    if not (url.startswith("ldaps:") or options.tls.start_tls):
        return "unencrypted"
    how = "ldaps" if url.startswith("ldaps:") else "StartTLS"
    return f"by {how}, the certificate {'verified' if options.tls.verify else 'NOT verified'}"
