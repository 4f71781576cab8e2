"""Access tokens for providers that ask for one first: OAuth 2.0 client credentials (RFC 6749, section 4.4).

An access token is a JWT (RFC 7519) that is signed with a key made from the client's secret: it opens the directory for
an hour, or until the secret changes, and nothing has to be stored.
"""

from __future__ import annotations

import hmac
import time
from base64 import b64decode
from collections.abc import Callable, Mapping
from hashlib import sha256
from urllib.parse import parse_qsl, unquote_plus

from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import OctKey
from msgspec import Struct
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from usersyncd.config.web import Network
from usersyncd.web.auth import Doorkeeper
from usersyncd.web.clients import client_address

FIELDS = 20
"""The most fields of a form."""
SECONDS = 3600
"""How long an access token opens its directory."""
ALGORITHM = "HS256"


class OAuthClient(Struct, frozen=True):
    """The client of one directory."""

    directory: str
    client_id: str
    secret: str

    def is_right(self, client_id: str, secret: str) -> bool:
        """Whether these are its credentials; compared in constant time."""
        given, own = f"{client_id}\0{secret}", f"{self.client_id}\0{self.secret}"
        return hmac.compare_digest(given.encode("utf-8", "surrogateescape"), own.encode())

    def issue(self, now: float) -> str:
        """A new access token."""
        claims = {"sub": self.client_id, "aud": self.directory, "exp": int(now) + SECONDS}
        return jwt.encode({"alg": ALGORITHM}, claims, self._key())

    def accepts(self, token: str, now: float) -> bool:
        """Whether this is an access token of the client that still holds."""
        expected = jwt.JWTClaimsRegistry(
            now=int(now),
            aud={"essential": True, "value": self.directory},
            exp={"essential": True},
            sub={"essential": True, "value": self.client_id},
        )
        try:
            expected.validate(jwt.decode(token, self._key(), algorithms=[ALGORITHM]).claims)
        except (JoseError, ValueError, TypeError, KeyError):  # Headers of forged tokens may have any form.
            return False
        return True

    def _key(self) -> OctKey:
        return OctKey.import_key(sha256(f"usersyncd access token\0{self.secret}".encode()).digest())


class TokenEndpoint:
    """``POST /oauth/<directory>/token``."""

    def __init__(
        self,
        clients: Mapping[str, OAuthClient],
        doorkeeper: Doorkeeper,
        proxies: tuple[Network, ...],
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._clients = clients
        self._doorkeeper = doorkeeper
        self._proxies = proxies
        self._clock = clock

    def addresses(self, url: str) -> dict[str, str]:
        """The endpoint of each directory with a client, at the public address of the web service."""
        return {directory: f"{url.rstrip('/')}/oauth/{directory}/token" for directory in self._clients}

    def route(self) -> Route:
        return Route("/oauth/{directory}/token", self.answer, methods=["POST"])

    async def answer(self, request: Request) -> Response:
        """An access token, or the error that RFC 6749, section 5.2, gives to the fault."""
        client = self._clients.get(request.path_params["directory"])
        if client is None:  # Nothing is read for a directory without a client.
            return self._refused(request)
        try:
            form = dict(parse_qsl((await request.body()).decode(), max_num_fields=FIELDS))
        except ValueError:
            return _error("invalid_request")
        if not client.is_right(*_credentials(request, form)):
            return self._refused(request)
        if form.get("grant_type") != "client_credentials":
            return _error("unsupported_grant_type")
        token = {"access_token": client.issue(self._clock()), "token_type": "Bearer", "expires_in": SECONDS}
        return JSONResponse(token, headers={"cache-control": "no-store"})

    def _refused(self, request: Request) -> Response:
        address = client_address(request.scope, self._proxies)
        refused = self._doorkeeper.refuse(request.scope, address, has_token=True)
        return refused if refused.status_code == 429 else _error("invalid_client", 401)


def _credentials(request: Request, form: Mapping[str, str]) -> tuple[str, str]:
    """The client's id and secret: by HTTP Basic, or in the form (RFC 6749, section 2.3.1)."""
    scheme, _, encoded = request.headers.get("authorization", "").partition(" ")
    if scheme.lower() == "basic":
        try:
            client_id, _, secret = b64decode(encoded, validate=True).decode().partition(":")
        except ValueError:
            return "", ""
        return unquote_plus(client_id), unquote_plus(secret)
    return form.get("client_id", ""), form.get("client_secret", "")


def _error(code: str, status: int = 400) -> Response:
    headers = {"cache-control": "no-store"} | ({"www-authenticate": "Basic"} if status == 401 else {})
    return JSONResponse({"error": code}, status, headers)
