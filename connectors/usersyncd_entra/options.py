"""The ``options`` of a directory with ``connector: entra``."""

from __future__ import annotations

import ipaddress
import re
from typing import Annotated, Literal, Self
from urllib.parse import urlsplit

from pydantic import AfterValidator, Field, model_validator

from usersyncd.plugin import Options, Secret, scheme_lowered

CLOUDS = {
    "global": ("https://login.microsoftonline.com", "https://graph.microsoft.com"),
    "usgov": ("https://login.microsoftonline.us", "https://graph.microsoft.us"),
    "dod": ("https://login.microsoftonline.us", "https://dod-graph.microsoft.us"),
    "china": ("https://login.chinacloudapi.cn", "https://microsoftgraph.chinacloudapi.cn"),
}
"""The addresses of the sign-in and of Graph (learn.microsoft.com/graph/deployments)."""


def _address(text: str) -> str:
    text = scheme_lowered(text)
    parts = urlsplit(text)
    if parts.scheme not in ("http", "https") or not parts.hostname or parts.query or parts.fragment or "@" in text:
        raise ValueError(f"{text!r} is not the address of a service: write https://HOST, without user and password")
    return text.rstrip("/")


def _url(text: str) -> str:
    text = _address(text)
    if text.startswith("http://") and not _is_loopback(urlsplit(text).hostname or ""):
        raise ValueError(f"{text!r} would send secrets unencrypted: write https://")
    return text


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _tenant(text: str) -> str:
    if text.lower() in ("common", "organizations", "consumers") or not re.fullmatch(r"[\w.-]+", text):
        raise ValueError(f"{text!r} is not one tenant: write its id, or one of its domains")
    return text


def _identifier(text: str) -> str:
    if not re.fullmatch(r"[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}", text):
        raise ValueError(f"{text!r} is not an object id, such as 8c1d9c1f-4b0e-4b43-9d29-3f1c1c1c1c1c")
    return text.lower()


Address = Annotated[str, AfterValidator(_address)]
Url = Annotated[str, AfterValidator(_url)]
Identifier = Annotated[str, AfterValidator(_identifier)]


class ManagedIdentity(Options):
    """The identity that Azure assigns to this machine."""

    client_id: str | None = None
    """The client id of a user-assigned identity. Default: the machine's system-assigned identity."""


class Endpoints(Options):
    """Addresses of the services, instead of a cloud's own."""

    login: Url
    """The address of the sign-in."""
    graph: Url
    """The address of Microsoft Graph."""


class Users(Options):
    """Which users are read."""

    filter: Annotated[str, Field(min_length=1)] | None = None
    """A condition in Graph's syntax ($filter), such as ``userType eq 'Member'``. With it, every pull is complete."""
    members_of: list[Identifier] = Field(default_factory=list)
    """Object ids of groups: only their members are read, including nested ones. With it, every pull is complete."""

    @property
    def narrowed(self) -> bool:
        """Whether the options select them in a way that delta queries do not support."""
        return self.filter is not None or bool(self.members_of)


class Groups(Options):
    """Which groups are read."""

    filter: Annotated[str, Field(min_length=1)] | None = None
    """A condition in Graph's syntax ($filter), such as ``startsWith(displayName,'app-')``. With it, every pull is
    complete."""
    transitive: bool = False
    """Read the members of nested groups as direct members, for nested groups that are not read. With it, every pull is
    complete."""
    hidden: bool = False
    """Read the members of groups with hidden membership, which needs the permission Member.Read.Hidden; without the
    permission, pulls fail."""

    @property
    def narrowed(self) -> bool:
        """Whether the options select them in a way that delta queries do not support."""
        return self.filter is not None or self.transitive


class EntraOptions(Options):
    """A tenant of Microsoft Entra ID, read by Microsoft Graph as an application."""

    tenant: Annotated[str, AfterValidator(_tenant)]
    """The tenant's id, or one of its domains."""
    client_id: str | None = None
    """The id of the registered application. Optional with managed_identity: then the identity itself has the
    permissions."""
    client_secret: Secret | None = None
    """Sign in with a client secret of the application."""
    certificate: Secret | None = None
    """Sign in with a certificate of the application: PEM, with its private key."""
    passphrase: Secret | None = None
    """The passphrase of the certificate's private key."""
    workload_identity: Secret | None = None
    """Sign in with a token of another issuer (federated credential): the file with the token, which is read again for
    each sign-in."""
    managed_identity: ManagedIdentity | None = None
    """Sign in with the identity that Azure assigns to this machine; with client_id, as that application, which trusts
    it."""
    cloud: Literal["global", "usgov", "dod", "china"] = "global"
    """The tenant's cloud."""
    endpoints: Endpoints | None = None
    """Addresses of the services, instead of the cloud's own."""
    users: Users = Users()
    """The users to read. Default: all of the tenant."""
    groups: Groups = Groups()
    """The groups to read, and how their members are read. Default: all of the tenant."""
    ca_file: str | None = None
    """PEM file of the CAs to trust, relative to the configuration file. Default: the system's, or $SSL_CERT_FILE."""
    proxy: Address | None = None
    """The proxy to use, http://HOST:PORT. Default: $HTTPS_PROXY and $NO_PROXY."""
    patience: Annotated[int, Field(ge=1)] = 900
    """Seconds that one request may take, including all waits and retries, before the pull fails."""

    @model_validator(mode="after")
    def _one_way_to_sign_in(self) -> Self:
        ways = ("client_secret", "certificate", "workload_identity", "managed_identity")
        if sum(getattr(self, way) is not None for way in ways) != 1:
            raise ValueError(f"name exactly one of {', '.join(ways)}")
        if self.client_id is None and self.managed_identity is None:
            raise ValueError("client_id is missing: the id of the registered application")
        if self.passphrase is not None and self.certificate is None:
            raise ValueError("passphrase is for certificate")
        return self

    @property
    def login(self) -> str:
        return self.endpoints.login if self.endpoints else CLOUDS[self.cloud][0]

    @property
    def graph(self) -> str:
        return self.endpoints.graph if self.endpoints else CLOUDS[self.cloud][1]
