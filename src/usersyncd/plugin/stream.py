"""The options of a target whose changes become events: a stream, and the applications that follow it."""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping
from datetime import timedelta
from typing import Annotated, Literal
from urllib.parse import urlsplit

from pydantic import Field, field_validator, model_validator

from usersyncd.plugin.duration import Duration
from usersyncd.plugin.options import Options, Secret, scheme_lowered
from usersyncd.plugin.public_addresses import is_public
from usersyncd.plugin.receiving import AccessToken

EventType = Literal[
    "user.created", "user.updated", "user.deactivated", "user.reactivated", "user.deleted",
    "group.created", "group.updated", "group.deleted", "group.member_added", "group.member_removed",
]  # fmt: skip
EventFormat = Literal["json", "set"]


class Webhook(Options):
    """A receiver of events: an endpoint of the stream."""

    url: str = Field(description="where events are posted to: https://…")
    secrets: Annotated[tuple[Secret, ...], Field(max_length=2)] = Field(
        default=(),
        strict=False,
        description="the secrets of Standard Webhooks (whsec_…): one, or two during a rotation",
    )
    types: tuple[EventType, ...] | None = Field(
        default=None, strict=False, description="only these types; without it: all"
    )
    format: EventFormat | None = Field(
        default=None, description="that of this receiver; without it: that of the stream"
    )
    allow_private_addresses: bool = Field(
        default=False, description="the receiver may have a private address, and http:// is allowed"
    )
    ca_file: str | None = Field(default=None, description="certificates (PEM) that the receiver's must come from")
    token: Secret | None = Field(default=None, description="sent as Authorization: Bearer …")
    audience: str | None = Field(default=None, description="format set: the claim `aud`; without it: the url")
    session_revoked: bool = Field(
        default=False, description="format set: send CAEP session-revoked when a user is deactivated or deleted"
    )

    @field_validator("url")
    @classmethod
    def _complete(cls, url: str) -> str:
        url = scheme_lowered(url)
        try:
            parts = urlsplit(url)
            parts.port, (parts.hostname or "").encode("ascii")
        except ValueError:
            raise ValueError("must be a URL with a host name in ASCII and a port up to 65535") from None
        if any(letter.isspace() for letter in url):
            raise ValueError("must not contain a space")
        if parts.scheme not in ("https", "http") or not parts.hostname:
            raise ValueError("must be a URL such as https://app.example/hooks")
        if parts.username or parts.password:
            # The message does not repeat the URL: it contains a password.
            raise ValueError("must not contain a user or a password: use `token`")
        return url

    @model_validator(mode="after")
    def _protected(self) -> Webhook:
        if self.url.startswith("http://") and not self.allow_private_addresses:
            raise ValueError("url must begin with https://; http:// is allowed with allow_private_addresses: true only")
        if not self.allow_private_addresses and not _may_be_public(urlsplit(self.url).hostname or ""):
            raise ValueError(
                "url does not name a public address: set allow_private_addresses: true if the receiver is in your own "
                "network"
            )
        return self


def _may_be_public(host: str) -> bool:
    """Whether a host may have a public address. A name is looked up when events are sent."""
    try:
        return is_public(ipaddress.ip_address(host))
    except ValueError:
        return host.rstrip(".") != "localhost"


class StreamOptions(Options):
    """A stream of events."""

    initial: Literal["events", "none"] = Field(
        default="events", description="what the first delivery of a directory emits"
    )
    retention: Duration = Field(default=timedelta(days=30), description="how long events are kept")
    retention_max: Duration = Field(
        default=timedelta(days=90),
        description="how long they are kept for a receiver that does not take them; then it is given up",
    )
    format: EventFormat = Field(
        default="json", description="json: Standard Webhooks; set: Security Event Tokens (RFC 9967)"
    )
    webhooks: dict[str, Webhook] = Field(default={}, description="the receivers, by name")
    tokens: tuple[AccessToken, ...] = Field(
        default=(), strict=False, description="who may read the feed and the snapshot"
    )
    signing_key: Secret | None = Field(
        default=None, description="format set: the private key, as JWK or PEM (EC P-256, Ed25519 or RSA)"
    )
    issuer: str | None = Field(default=None, description="format set: the claim `iss`, the URL of this usersyncd")

    def places(self) -> Mapping[str, object]:
        """None: every stream is one of its own."""
        return {}

    def format_of(self, webhook: Webhook) -> EventFormat:
        """The format in which a receiver gets events."""
        return webhook.format or self.format

    @model_validator(mode="after")
    def _usable(self) -> StreamOptions:
        if self.retention_max < self.retention:
            raise ValueError("retention_max must not be shorter than retention")
        for name, webhook in self.webhooks.items():
            if self.format_of(webhook) == "json" and not webhook.secrets:
                raise ValueError(f"webhooks.{name}: secrets must name the secret that signs its events")
            if self.format_of(webhook) == "set" and (self.signing_key is None or self.issuer is None):
                raise ValueError(f"webhooks.{name}: format set needs signing_key and issuer")
            if self.format_of(webhook) == "json" and webhook.session_revoked:
                raise ValueError(f"webhooks.{name}: session_revoked needs format set")
        return self
