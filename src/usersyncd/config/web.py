"""The section ``web:`` of the configuration: where the daemon listens, and who may call its API."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Literal

from msgspec import Struct
from pydantic import AfterValidator, Field, WithJsonSchema, field_validator, model_validator

from usersyncd.config.section import FileSection
from usersyncd.plugin import Secret, scheme_lowered

LISTEN = r"^(\[[0-9a-fA-F:.]+\]|[^\s:\[\]/]+):([0-9]{1,5})$"
TOKEN_NAME = r"^[A-Za-z0-9][A-Za-z0-9_.-]{0,63}$"  # noqa: S105 - the form of a name
Role = Literal["viewer", "operator"]
Network = ipaddress.IPv4Network | ipaddress.IPv6Network


CREDENTIALS = "${CREDENTIALS_DIRECTORY}"
"""The folder of a service's credentials: a path keeps this name of it outside of the service."""


class TlsFiles(Struct, frozen=True):
    """Absolute paths of the certificate chain and of its private key, both PEM."""

    cert: Path
    key: Path


class WebConfig(Struct, frozen=True):
    """The web service. ``url``: its public address, without a slash at the end."""

    host: str
    port: int
    url: str
    tls: TlsFiles | None
    trusted_proxies: tuple[Network, ...]
    tokens: tuple[ApiToken, ...]


def _listen(value: str) -> str:
    match = re.fullmatch(LISTEN, value)
    if match is None or not int(match[2]) <= 65535:
        raise ValueError("must be an address and a port, such as 127.0.0.1:8470, [::1]:8470 or 0.0.0.0:8470")
    return value


def _url(value: str) -> str:
    value = scheme_lowered(value).rstrip("/")
    if not re.fullmatch(r"https?://[^\s/?#@]+(/[^\s?#]*)?", value):
        raise ValueError("must be the address at which clients reach it, such as https://sync.acme.example")
    return value


def _network(value: str) -> str:
    try:
        ipaddress.ip_network(value)
    except ValueError:
        raise ValueError("must be an address or a network, such as 10.0.0.5 or 10.0.0.0/8") from None
    return value


def _token_name(value: str) -> str:
    if not re.fullmatch(TOKEN_NAME, value):
        raise ValueError("a name has letters, digits, -, _ and . only, and at most 64 of them")
    return value


class TlsSection(FileSection):
    """TLS of the web service itself. Left out: plain HTTP, for a proxy on the same machine."""

    cert: str
    """The certificate with its chain, as a PEM file; relative to this file."""
    key: str
    """The private key, as a PEM file without a passphrase; relative to this file. With systemd:
    `${CREDENTIALS_DIRECTORY}` has the files of `LoadCredential=`."""


class ApiToken(FileSection):
    """A token that opens the API."""

    name: Annotated[str, AfterValidator(_token_name), WithJsonSchema({"type": "string", "pattern": TOKEN_NAME})]
    """Who uses it: runs name it as their cause, and the log names it."""
    role: Role = "viewer"
    """`viewer` reads; `operator` also requests pulls."""
    secret: Secret
    """The token itself, by reference: at least 24 characters (`openssl rand -hex 32`)."""


class WebSection(FileSection):
    """The web service of the daemon: directories that push, events, and the API."""

    listen: Annotated[str, AfterValidator(_listen), WithJsonSchema({"type": "string", "pattern": LISTEN})] = (
        "127.0.0.1:8470"
    )
    """The address and the port. Another address than one of this machine alone requires `tls` or `trusted_proxies`."""
    url: Annotated[
        str, AfterValidator(_url), WithJsonSchema({"type": "string", "pattern": "^[hH][tT][tT][pP][sS]?://"})
    ]
    """The address at which clients reach it, such as https://sync.acme.example: answers contain it."""
    tls: TlsSection | None = None
    """Certificate and key, if the service itself speaks TLS."""
    trusted_proxies: list[
        Annotated[str, AfterValidator(_network), WithJsonSchema({"type": "string", "minLength": 2})]
    ] = Field(default_factory=lambda: ["127.0.0.1", "::1"])
    """Addresses or networks of the proxies in front of it: their `X-Forwarded-For` says who the client is."""
    tokens: list[ApiToken] = Field(default=[])
    """The tokens that open the API."""

    @model_validator(mode="after")
    def _no_plain_tokens(self) -> WebSection:
        if self.tls is None and "trusted_proxies" not in self.model_fields_set and not _is_loopback(self.listen):
            raise ValueError(
                "tokens would cross the network in plain text: add `tls`, or a proxy with TLS and its address under "
                "`trusted_proxies`"
            )
        return self

    @field_validator("tokens")
    @classmethod
    def _distinct_tokens(cls, tokens: list[ApiToken]) -> list[ApiToken]:
        names = [token.name for token in tokens]
        if double := next((name for name in names if names.count(name) > 1), None):
            raise ValueError(f"two tokens have the name “{double}”: give each a name of its own")
        return tokens


def _is_loopback(listen: str) -> bool:
    host = _split(listen)[0]
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _split(listen: str) -> tuple[str, int]:
    host, _, port = listen.rpartition(":")
    return host.strip("[]"), int(port)


def web(section: WebSection | None, folder: Path, environment: Mapping[str, str]) -> WebConfig | None:
    """The web service of a valid file; None: there is none."""
    if section is None:
        return None

    def path(given: str) -> Path:
        return folder / given.replace(CREDENTIALS, environment.get("CREDENTIALS_DIRECTORY", CREDENTIALS))

    host, port = _split(section.listen)
    return WebConfig(
        host,
        port,
        section.url,
        None if section.tls is None else TlsFiles(path(section.tls.cert), path(section.tls.key)),
        tuple(ipaddress.ip_network(each) for each in section.trusted_proxies),
        tuple(section.tokens),
    )
