"""The ``options`` of a directory with ``connector: ldap``."""

from __future__ import annotations

import re
from typing import Annotated, Literal, Self
from urllib.parse import urlsplit

import ldap.dn
from pydantic import AfterValidator, Field, model_validator

from usersyncd.plugin import Options, Secret, scheme_lowered

GLOBAL_CATALOG = (3268, 3269)

_AD_ACCOUNT = re.compile(r"[^@\\\s][^@\\]*@[\w.-]+|[\w.-]+\\[^@\\]+")
"""The forms of an account's name in Active Directory besides its DN (MS-ADTS, section 5.1.1.1.1)."""


def _dn(text: str) -> str:
    if not ldap.dn.is_dn(text):
        raise ValueError(f"{text!r} is not a DN (RFC 4514), such as ou=people,dc=acme,dc=example")
    return text


def _account(text: str) -> str:
    if not ldap.dn.is_dn(text) and not _AD_ACCOUNT.fullmatch(text):
        raise ValueError(
            f"{text!r} is neither a DN (RFC 4514), such as cn=sync,dc=acme,dc=example, nor an account of Active "
            "Directory: user@domain or DOMAIN\\user"
        )
    return text


def _domain(dn: str) -> str:
    """The domain of a DN (RFC 2247); empty without one."""
    parts = (part for rdn in ldap.dn.str2dn(dn) for part in rdn)
    return ".".join(value for name, value, _ in parts if name.lower() == "dc").lower()


def _is_of(account: str, domain: str) -> bool:
    """Whether Active Directory may have an account with this name in a domain, or in one above or below it."""
    if "\\" in account:
        return account.partition("\\")[0].lower() in domain.split(".")
    other = account.rpartition("@")[2].lower()
    return f".{other}".endswith(f".{domain}") or f".{domain}".endswith(f".{other}")


def _filter(text: str) -> str:
    text = text.strip()
    if not (text.startswith("(") and text.endswith(")")):
        raise ValueError(f"{text!r} is not a filter (RFC 4515): write it in parentheses, such as (objectClass=person)")
    return text


def _url(text: str) -> str:
    text = scheme_lowered(text)
    parts = urlsplit(text)
    if parts.scheme == "ldapi":
        return text  # the path of a local socket, with slashes written %2F; empty: the default one
    if parts.scheme not in ("ldap", "ldaps") or not parts.hostname:
        raise ValueError(f"{text!r} is not the address of an LDAP server: write ldaps://HOST or ldap://HOST[:PORT]")
    if parts.path not in ("", "/") or parts.query or parts.fragment or any(sign in text for sign in "@ ,"):
        raise ValueError(f"{text!r} has more than a host and a port: base, filter and bind_dn are separate options")
    if parts.port in GLOBAL_CATALOG:  # urlsplit refuses an invalid port here
        raise ValueError(
            f"{text!r} is a global catalog, which has only some of the attributes and group members: leave out the port"
        )
    return text.rstrip("/")


Account = Annotated[str, AfterValidator(_account)]
Dn = Annotated[str, AfterValidator(_dn)]
Filter = Annotated[str, AfterValidator(_filter)]
Url = Annotated[str, AfterValidator(_url)]
Strategy = Literal["auto", "complete", "dirsync", "usn", "syncrepl"]
Bases = Dn | Annotated[list[Dn], Field(min_length=1)]


ACCOUNTS = {"external": "the account of the certificate or socket", "gssapi": "the account of the Kerberos ticket"}
"""Descriptions of the SASL account, if the server does not report it."""


class Tls(Options):
    """How the connection is secured. The server's certificate is verified unless ``verify`` is false."""

    ca_file: str | None = None
    """PEM file of the CAs to trust, relative to the configuration file. Default: the system's."""
    start_tls: bool = False
    """Secure an ldap:// connection before any other request (StartTLS)."""
    verify: bool = True
    """Verify the server's certificate and name. Switch off only to find a problem."""
    plaintext: bool = False
    """Allow sending the password unencrypted to another machine."""

    certificate: str | None = None
    """PEM file of the client certificate, for ``sasl: external``; relative to the configuration file."""
    key: str | None = None
    """PEM file of its private key."""


class Users(Options):
    """Which entries are users."""

    base: Bases | None = None
    """Where users are searched: an entry, or a list of entries. Default: the directory's base."""
    filter: Filter | None = None
    """Which of the entries there are users (RFC 4515). Default: the usual filter of the server's product."""


class Groups(Options):
    """Which entries are groups."""

    base: Bases | None = None
    """Where groups are searched: an entry, or a list of entries. Default: the directory's base."""
    filter: Filter | None = None
    """Which of the entries there are groups (RFC 4515). Default: the usual filter of the server's product."""


class LdapOptions(Options):
    """An LDAP server (RFC 4511): Active Directory, OpenLDAP, 389 Directory Server, or another one."""

    url: Url | Annotated[list[Url], Field(min_length=1)]
    """The server, or a list of servers that are tried in order."""
    bind_dn: Account | None = None
    """usersyncd's account: its DN, or on Active Directory user@domain or DOMAIN\\user. Default: anonymous."""
    password: Secret | None = None
    """The account's password."""
    sasl: Literal["external", "gssapi"] | None = None
    """Sign in without a password: ``external`` by the certificate in ``tls``, or by the local account on an ldapi://
    socket; ``gssapi`` by Kerberos, with the ticket or client keytab of the environment."""
    base: Bases | None = None
    """The entry below which users and groups are searched, or a list of entries. Default: the server's only naming
    context."""
    users: Users = Users()
    """Where users are, and which of the entries there are users."""
    groups: Groups = Groups()
    """Where groups are, and which of the entries there are groups."""
    tls: Tls = Tls()
    """How the connection is secured."""
    strategy: Strategy = "auto"
    """How changes are found. ``auto``: the best strategy that the server and the account support, see `check
    --online`."""
    page_size: Annotated[int, Field(ge=1)] = 1000
    """Entries per page (RFC 2696)."""
    timeout: Annotated[int, Field(ge=1)] = 60
    """Seconds without a response after which the pull fails."""

    @model_validator(mode="after")
    def _bind_is_whole(self) -> Self:
        if (self.bind_dn is None) != (self.password is None):
            raise ValueError("bind_dn and password belong together: give both, or neither to read anonymously")
        domains = [_domain(base) for base in ([self.base] if isinstance(self.base, str) else self.base or [])]
        named = self.bind_dn is not None and not ldap.dn.is_dn(self.bind_dn)
        if named and domains and not any(_is_of(self.bind_dn or "", domain) for domain in domains):
            raise ValueError(
                f"{self.bind_dn} is not an account of {', '.join(domains)}: write its DN, or on Active Directory "
                "user@domain with the domain of base"
            )
        if self.sasl is not None and self.bind_dn is not None:
            raise ValueError("sasl signs in without bind_dn and password: leave them out")
        if (self.tls.certificate is None) != (self.tls.key is None):
            raise ValueError("tls.certificate and tls.key belong together: give both")
        if self.sasl == "external" and self.tls.certificate is None and any("ldapi:" not in url for url in self.urls):
            raise ValueError("sasl: external needs a certificate: set tls.certificate and tls.key, or an ldapi:// url")
        if self.tls.start_tls and any(url.startswith("ldaps:") for url in self.urls):
            raise ValueError("tls.start_tls is for ldap:// addresses: an ldaps:// connection is secured from its start")
        return self

    @property
    def account(self) -> str:
        """The account for messages; empty when anonymous."""
        return self.bind_dn or ACCOUNTS.get(self.sasl or "", "")

    @property
    def urls(self) -> list[str]:
        return self.url if isinstance(self.url, list) else [self.url]
