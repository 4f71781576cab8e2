"""Security Event Tokens (RFC 8417), delivered by push (RFC 8935)."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any

from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import ECKey, KeySet, OKPKey, RSAKey, import_key

from usersyncd.core.events import Event
from usersyncd.core.security_events import claims_of
from usersyncd.errors import ConfigError
from usersyncd.events.messages import EventMessage, Writer

SigningKey = ECKey | OKPKey | RSAKey
_CURVES = {"P-256": "ES256", "P-384": "ES384", "P-521": "ES512", "Ed25519": "Ed25519"}


def security_event_tokens(key_text: str, issuer: str, audience: str, *, revoke: bool) -> Writer:
    """Messages that are Security Event Tokens. ``revoke``: deactivation and deletion of a user also send CAEP
    session-revoked. Raises ConfigError for a key that cannot sign."""
    key = signing_key(key_text)
    header: dict[str, Any] = {"alg": algorithm(key), "kid": key.kid, "typ": "secevent+jwt"}
    headers = {"content-type": "application/secevent+jwt"}

    def write(event: Event, now: datetime) -> Sequence[EventMessage]:  # noqa: ARG001 - all attempts are alike
        tokens = claims_of(event, issuer, audience, revoke=revoke)
        return [
            EventMessage(headers, jwt.encode(header, claims, key, algorithms=[header["alg"]]).encode())
            for claims in tokens
        ]

    return write


def signing_key(text: str) -> SigningKey:
    """A private key from JWK or PEM. Raises ConfigError; the message does not contain the key."""
    key = _imported(text)
    if key is not None and key.is_private:
        key.ensure_kid()
        return key
    raise ConfigError(
        "signing_key is not a private key as JWK or PEM (EC P-256, Ed25519 or RSA)",
        "write one with: openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256",
    )


def _imported(text: str) -> SigningKey | None:
    for kind in ("EC", "OKP", "RSA"):
        try:
            key: Any = import_key(json.loads(text) if text.lstrip().startswith("{") else text, kind)
            algorithm(key)
        except (JoseError, ValueError, TypeError, KeyError, AttributeError):
            continue
        if isinstance(key, ECKey | OKPKey | RSAKey):
            return key
    return None


def algorithm(key: SigningKey) -> str:
    """The algorithm with which a key signs. Raises KeyError for a curve that does not sign."""
    return "RS256" if isinstance(key, RSAKey) else _CURVES[key.curve_name]


def jwks(keys: Iterable[str]) -> dict[str, Any]:
    """The public keys of these private keys as a JSON Web Key Set, for receivers. Raises ConfigError."""
    found = {key.kid: key for key in map(signing_key, keys)}
    public = KeySet(list(found.values())).as_dict(private=False)["keys"]
    return {
        "keys": [{**one, "alg": algorithm(key), "use": "sig"} for one, key in zip(public, found.values(), strict=True)]
    }
