"""The messages that carry an event: Standard Webhooks 1.0 or Security Event Tokens, signed."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Protocol

from msgspec import Struct
from standardwebhooks.webhooks import Webhook as Signature

from usersyncd.core.events import Event, to_json
from usersyncd.errors import ConfigError


class EventMessage(Struct, frozen=True):
    """One request: its headers and its body."""

    headers: dict[str, str]
    body: bytes


class Writer(Protocol):
    """Writes the messages of an event, in the order in which they are sent."""

    def __call__(self, event: Event, now: datetime) -> Sequence[EventMessage]: ...


def standard_webhooks(secrets: Sequence[str], endpoint: str) -> Writer:
    """Messages of Standard Webhooks, signed with each of the secrets (two during a rotation). Raises ConfigError for
    text that is not such a secret; the message does not contain it."""
    signatures = [_signature(secret, endpoint) for secret in secrets]

    def write(event: Event, now: datetime) -> Sequence[EventMessage]:
        body = to_json(event.body)
        signed = " ".join(one.sign(event.id, now, body.decode()) for one in signatures)
        headers = {
            "content-type": "application/json",
            "webhook-id": event.id,
            "webhook-timestamp": str(int(now.timestamp())),
            "webhook-signature": signed,
        }
        return [EventMessage(headers, body)]

    return write


def _signature(secret: str, endpoint: str) -> Signature:
    problem = None
    try:
        made = Signature(secret)
        if not secret.startswith("whsec_") or len(made._whsecret) < 24:
            problem = "is not whsec_ and base64 of at least 24 bytes"
    except Exception:  # The library raises several kinds of errors, some with the secret in their text.
        problem = "is not whsec_ and base64"
    if problem is None:
        return made
    raise ConfigError(
        f"the secret of the webhook {endpoint} {problem}",
        "write one with: echo whsec_$(openssl rand -base64 32)",
    )


def authorized(write: Writer, token: Callable[[], str]) -> Writer:
    """Messages with a bearer token."""

    def written(event: Event, now: datetime) -> Sequence[EventMessage]:
        return [
            EventMessage({**message.headers, "authorization": f"Bearer {token()}"}, message.body)
            for message in write(event, now)
        ]

    return written
