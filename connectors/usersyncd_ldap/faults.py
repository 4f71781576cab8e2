"""Converts libldap's errors to SourceErrors with server, operation and remedy."""

from __future__ import annotations

from collections.abc import Sequence

import ldap
from msgspec import Struct

from usersyncd.errors import SourceError
from usersyncd_ldap.handshake import Reason

NOT_HERE = (ldap.SERVER_DOWN, ldap.CONNECT_ERROR, ldap.TIMEOUT, ldap.BUSY, ldap.UNAVAILABLE)
"""Errors of one server; another server of the same directory may work."""

_LIMIT = (
    'raise the limit for usersyncd\'s account: on OpenLDAP `limits dn.exact="{account}" size=unlimited '
    "size.prtotal=unlimited time=unlimited` (olcLimits), on others the account's size, look-through and time limits"
)

_REMEDIES: dict[type[ldap.LDAPError], str] = {
    ldap.SIZELIMIT_EXCEEDED: _LIMIT,
    ldap.ADMINLIMIT_EXCEEDED: _LIMIT,
    ldap.TIMELIMIT_EXCEEDED: _LIMIT,
    ldap.INVALID_CREDENTIALS: "correct bind_dn or password; the server does not say which of them is wrong",
    ldap.NO_SUCH_OBJECT: "correct the option base, or grant the account access: a hidden entry looks missing",
    ldap.INSUFFICIENT_ACCESS: "grant usersyncd's account the right to search here",
    ldap.STRONG_AUTH_REQUIRED: "secure the connection: an ldaps:// url, or tls: {{start_tls: true}}; with sasl: gssapi "
    "an ldap:// url without TLS, which Kerberos encrypts",
    ldap.CONFIDENTIALITY_REQUIRED: "secure the connection: an ldaps:// url, or tls: {{start_tls: true}}",
    ldap.LOCAL_ERROR: "check that KRB5CCNAME names a valid ticket, or KRB5_CLIENT_KTNAME a keytab, and that url has "
    "the host's full name",
    ldap.AUTH_UNKNOWN: "the server or this machine lacks the SASL module for this sign-in: install it",
    ldap.INAPPROPRIATE_AUTH: "the server does not allow this sign-in: set bind_dn and password",
    ldap.UNWILLING_TO_PERFORM: "see the server's log for the reason",
    ldap.FILTER_ERROR: "correct the filter (RFC 4515)",
    ldap.INVALID_DN_SYNTAX: "correct the DN; as bind_dn, only Active Directory accepts user@domain or DOMAIN\\user",
    ldap.REFERRAL: "set url to the server that holds these entries",
    ldap.SERVER_DOWN: "check that the server runs and no firewall closes connections; the next run starts again",
    ldap.TIMEOUT: "find out why the server is slow, or raise the option timeout; the next run starts again",
}


def fault(error: ldap.LDAPError, doing: str, account: str | None) -> SourceError:
    """The SourceError for an error of libldap. ``doing`` names the failed operation and server; ``account`` is
    bind_dn."""
    remedy = _REMEDIES.get(type(error), "see the server's log")
    return SourceError(f"{doing}: {error_message(error)}", remedy.format(account=account or ""))


TLS_FAILED = (
    "the TLS handshake failed: the certificate is not trusted or for another name, or the server closed the connection"
)
"""A general message, because libldap's reason depends on the TLS library that it is built with."""


class Failure(Struct, frozen=True):
    """A server that could not be used: libldap's message, and the reason if it was found."""

    url: str
    said: str
    reason: Reason | None

    def __str__(self) -> str:
        return f"{self.url}: {self.reason.text if self.reason else self.said}"


def unreachable(failures: Sequence[Failure]) -> SourceError:
    """The error when no server could be used."""
    remedies = [failure.reason.remedy for failure in failures if failure.reason]
    if not remedies and any(failure.said == TLS_FAILED for failure in failures):
        remedies = ["check that url has the name in the server's certificate, and that tls.ca_file has its CA"]
    found = "; ".join(dict.fromkeys(remedies))
    return SourceError(
        f"no LDAP server answers: {'; '.join(map(str, failures))}",
        found or "check url, that the server runs, and that this machine can reach it",
    )


def error_message(error: ldap.LDAPError | OSError) -> str:
    """The messages of libldap and the server, in one line."""
    if isinstance(error, OSError):
        return str(error.strerror or error)
    details = error.args[0] if error.args and isinstance(error.args[0], dict) else {}
    said = [str(details.get("desc") or type(error).__name__)]
    if details.get("info"):
        said.append(str(details["info"]))
    if isinstance(error, ldap.TIMEOUT):
        said = ["no response in time"]
    return " - ".join(" ".join(text.split()) for text in said)
