"""The sign-in of an application (login.microsoftonline.com), and the managed identity of a machine.

Errors have the numbers and messages of Entra (learn.microsoft.com/entra/identity-platform/reference-error-codes).
"""

from __future__ import annotations

import base64
import json
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import jwt
from cryptography.x509 import load_pem_x509_certificate

TENANT = "11111111-2222-3333-4444-555555555555"
CLIENT = "66666666-7777-8888-9999-000000000000"
SECRET = "a-client-secret-that-nobody-may-see"
ALL_ROLES = frozenset({"User.Read.All", "GroupMember.Read.All"})


@dataclass
class App:
    """The registered application. ``assertions``: accepted tokens of a workload; ``certificate``: PEM."""

    secret: str = SECRET
    certificate: str | None = None
    assertions: set[str] = field(default_factory=set)
    roles: frozenset[str] = ALL_ROLES
    lifetime: int = 3599
    secret_expired: bool = False


class SignIn:
    """Issues access tokens, and knows which ones are valid."""

    def __init__(self) -> None:
        self.app = App()
        self.challenge: str | None = None
        """The claims that requests for tokens must contain from now on."""
        self.issued = 0
        self._good: dict[str, float] = {}

    def is_good(self, authorization: str) -> bool:
        scheme, _, token = authorization.partition(" ")
        return scheme == "Bearer" and self.challenge is None and self._good.get(token, 0) > time.monotonic()

    def revoke(self) -> None:
        """Revoke all tokens."""
        self._good.clear()

    def configuration(self, base: str, tenant: str) -> dict[str, Any] | None:
        if tenant != TENANT:
            return None
        return {
            "token_endpoint": f"{base}/{tenant}/oauth2/v2.0/token",
            "authorization_endpoint": f"{base}/{tenant}/oauth2/v2.0/authorize",
            "issuer": f"{base}/{tenant}/v2.0",
        }

    def token(self, form: Mapping[str, str], base: str) -> tuple[int, dict[str, Any]]:
        """The response to a client credentials grant."""
        if refusal := self._refusal(form, base):
            return refusal
        if self.challenge is not None and self.challenge in form.get("claims", ""):
            self.challenge = None
        return 200, self.issue()

    def managed(self, query: Mapping[str, str], metadata: str | None) -> tuple[int, dict[str, Any]]:
        """The response of a machine's metadata service (169.254.169.254)."""
        if metadata != "true":
            return 400, {"error": "invalid_request", "error_description": "Required metadata header not specified"}
        answer = self.issue()
        if query.get("resource") == "api://AzureADTokenExchange":
            self.app.assertions.add(answer["access_token"])
        return 200, {**answer, "expires_in": str(answer["expires_in"]), "resource": query.get("resource")}

    def issue(self) -> dict[str, Any]:
        self.issued += 1
        payload = {"tid": TENANT, "appid": CLIENT, "roles": sorted(self.app.roles), "jti": self.issued}
        token = ".".join(_encoded(part) for part in ({"alg": "none"}, payload, {"fake": True}))
        self._good[token] = time.monotonic() + self.app.lifetime
        return {"token_type": "Bearer", "expires_in": self.app.lifetime, "access_token": token}

    def _refusal(self, form: Mapping[str, str], base: str) -> tuple[int, dict[str, Any]] | None:
        if form.get("client_id") != CLIENT:
            return _error(400, "unauthorized_client", 700016, f"Application with identifier '{form.get('client_id')}' was not found in the directory 'Acme'.")  # fmt: skip # noqa: E501
        if not form.get("scope", "").endswith("/.default"):
            return _error(400, "invalid_scope", 1002012, "The provided value for scope is not valid.")
        if assertion := form.get("client_assertion"):
            return None if assertion in self.app.assertions or self._signed(assertion, base) else _error(
                401, "invalid_client", 700027, "Client assertion failed signature validation. The key used is expired."
            )  # fmt: skip
        if form.get("client_secret") != self.app.secret:
            return _error(401, "invalid_client", 7000215, "Invalid client secret provided. Ensure the secret being sent in the request is the client secret value, not the client secret ID.")  # fmt: skip # noqa: E501
        if self.app.secret_expired:
            return _error(
                401, "invalid_client", 7000222, f"The provided client secret keys for app '{CLIENT}' are expired."
            )
        return None

    def _signed(self, assertion: str, base: str) -> bool:
        if self.app.certificate is None:
            return False
        key = load_pem_x509_certificate(self.app.certificate.encode()).public_key()
        audience = f"{base}/{TENANT}/oauth2/v2.0/token"
        try:
            jwt.decode(assertion, key, algorithms=["RS256", "PS256"], audience=audience)  # type: ignore[arg-type]
        except jwt.InvalidTokenError:
            return False
        return True


def _error(status: int, error: str, number: int, text: str) -> tuple[int, dict[str, Any]]:
    description = f"AADSTS{number}: {text} Trace ID: 0f Correlation ID: 1e Timestamp: 2026-01-01 00:00:00Z"
    return status, {"error": error, "error_description": description, "error_codes": [number], "correlation_id": "1e"}


def _encoded(part: dict[str, Any]) -> str:
    return base64.urlsafe_b64encode(json.dumps(part).encode()).rstrip(b"=").decode()
