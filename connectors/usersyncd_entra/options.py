"""What an admin may set for an Entra tenant."""

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
"""Where to sign in, and where Graph is (learn.microsoft.com/graph/deployments)."""


def _address(text: str) -> str:
    text = scheme_lowered(text)
    parts = urlsplit(text)
    if parts.scheme not in ("http", "https") or not parts.hostname or parts.query or parts.fragment or "@" in text:
        raise ValueError(f"{text!r} is not the address of a service: write https://HOST, without user and password")
    return text.rstrip("/")


def _url(text: str) -> str:
    text = _address(text)
    if text.startswith("http://") and not _is_loopback(urlsplit(text).hostname or ""):
        raise ValueError(f"{text!r} would carry secrets unencrypted: write https://")
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
    """The identity that Azure gives to this machine."""

    client_id: str | None = None
    """The client id of a user-assigned identity. Default: the machine's own, system-assigned one."""


class Endpoints(Options):
    """Where the services are, instead of a cloud's own addresses."""

    login: Url
    """Where to sign in."""
    graph: Url
    """Where Microsoft Graph is."""


class Users(Options):
    """Which users are read."""

    filter: Annotated[str, Field(min_length=1)] | None = None
    """A condition in Graph's own words ($filter), such as ``userType eq 'Member'``. Every pull is then complete."""
    members_of: list[Identifier] = Field(default_factory=list)
    """Object ids of groups: only their members are read, nested ones included. Every pull is then complete."""

    @property
    def narrowed(self) -> bool:
        """Whether they are asked for in a way that delta queries do not know."""
        return self.filter is not None or bool(self.members_of)


class Groups(Options):
    """Which groups are read."""

    filter: Annotated[str, Field(min_length=1)] | None = None
    """A condition in Graph's own words ($filter), such as ``startsWith(displayName,'app-')``. Every pull is then
    complete."""
    transitive: bool = False
    """Read the members of nested groups as the group's own, where the nested groups are not read. Every pull is then
    complete."""
    hidden: bool = False
    """Groups with hidden membership are read with their members, which needs the permission Member.Read.Hidden; a pull
    without it fails."""

    @property
    def narrowed(self) -> bool:
        """Whether they are asked for in a way that delta queries do not know."""
        return self.filter is not None or self.transitive


class EntraOptions(Options):
    """A tenant of Microsoft Entra ID, read by Microsoft Graph as an application."""

    tenant: Annotated[str, AfterValidator(_tenant)]
    """The tenant's id, or one of its domains."""
    client_id: str | None = None
    """The id of the registered application. With managed_identity it may be left out: the identity itself then has the
    permissions."""
    client_secret: Secret | None = None
    """Sign in with a client secret of the application."""
    certificate: Secret | None = None
    """Sign in with a certificate of the application: PEM, with its private key."""
    passphrase: Secret | None = None
    """What the certificate's private key is encrypted with."""
    workload_identity: Secret | None = None
    """Sign in with a token that another issuer gives this machine (federated credential): the file that holds it, which
    is read anew each time."""
    managed_identity: ManagedIdentity | None = None
    """Sign in with the identity that Azure gives this machine; with client_id, as that application, which trusts it."""
    cloud: Literal["global", "usgov", "dod", "china"] = "global"
    """The cloud that the tenant is in."""
    endpoints: Endpoints | None = None
    """Where the services are, instead of the cloud's own addresses."""
    users: Users = Users()
    """The users: all of the tenant, or some."""
    groups: Groups = Groups()
    """The groups: all of the tenant, or some, and how their members are read."""
    ca_file: str | None = None
    """PEM file of the CAs to trust, relative to the configuration file. Default: the system's, or $SSL_CERT_FILE."""
    proxy: Address | None = None
    """The proxy to use, http://HOST:PORT. Default: $HTTPS_PROXY and $NO_PROXY."""
    patience: Annotated[int, Field(ge=1)] = 900
    """Seconds that one request may take, with all its waits and repetitions, before the pull is given up."""

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
