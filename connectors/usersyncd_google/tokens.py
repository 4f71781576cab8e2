"""Access tokens of a service account with domain-wide delegation (developers.google.com, "Using OAuth 2.0 for server to
server applications"): an assertion, signed with the account's key or by IAM Credentials, for a token (RFC 7523)."""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from typing import Any, Protocol

import httpx
import msgspec
from google.auth import crypt, jwt
from google.auth.exceptions import GoogleAuthError
from msgspec import Struct

from usersyncd.errors import ConfigError, SourceError
from usersyncd_google.faults import delegation, oauth, token_error
from usersyncd_google.options import GoogleOptions

AUDIENCE = "https://oauth2.googleapis.com/token"
GRANT = "urn:ietf:params:oauth:grant-type:jwt-bearer"
LIFE = 3600
"""Maximum validity of an assertion, in seconds."""
LONGEST_LIFE = 86_400.0
"""Maximum seconds for which a token is used, whatever the response says."""
TOKEN = re.compile(r"[\x21-\x7e]{1,20000}")
"""The characters that are allowed in a header."""
EARLY = 60.0
"""Seconds before its expiry at which a token is replaced."""


class Signer(Protocol):
    """Signs as a service account."""

    account: str
    client_id: str | None

    async def sign(self, claims: Mapping[str, Any]) -> str:
        """The claims as a signed JWT. Raises SourceError."""
        ...


class KeySigner:
    """Signs with the key file of a service account. Raises ConfigError when ``text`` is not such a file; ``where``
    names it."""

    def __init__(self, text: str, where: str) -> None:
        try:
            info = msgspec.json.decode(text, type=_KeyFile)
            self._signer = crypt.RSASigner.from_string(info.private_key, info.private_key_id)
        except (ValueError, GoogleAuthError) as error:
            # The library's own message may show the key.
            reason = error if isinstance(error, msgspec.MsgspecError) else "its private_key cannot be read"
            raise ConfigError(
                f"{where} is not the key file of a service account: {reason}",
                "use the JSON file as the Google Cloud console created it (IAM & Admin → Service accounts → Keys)",
            ) from None
        self.account = info.client_email
        self.client_id = info.client_id

    async def sign(self, claims: Mapping[str, Any]) -> str:
        """The claims as a signed JWT."""
        return str(jwt.encode(self._signer, claims), "ascii")


class _KeyFile(Struct, tag_field="type", tag="service_account"):
    client_email: str
    private_key: str
    private_key_id: str | None = None
    client_id: str | None = None


class _Token(Struct):
    access_token: str
    expires_in: float = LIFE


class DelegatedAuth(httpx.Auth):
    """Authenticates requests: gets an access token when needed, and a new one when Google rejects it."""

    def __init__(
        self, signer: Signer, options: GoogleOptions, scopes: Sequence[str], clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._signer = signer
        self._options = options
        self._scopes = scopes
        self._clock = clock
        self._turn = asyncio.Lock()
        self._token = ""
        self._until = 0.0

    async def async_auth_flow(self, request: httpx.Request) -> AsyncGenerator[httpx.Request, httpx.Response]:
        refused = ""
        for _ in range(2):
            async with self._turn:
                if self._token in ("", refused) or self._clock() >= self._until:
                    response = yield await self._request(self._scopes)
                    await response.aread()
                    if oauth(response)[0] == "unauthorized_client":
                        # The error covers all scopes together: find out which one is denied.
                        denied = []
                        for scope in self._scopes:
                            each = yield await self._request([scope])
                            if each.status_code != 200:
                                denied.append(scope)
                        raise self._denied(denied)
                    self._take(response)
                token = self._token
            request.headers["Authorization"] = f"Bearer {token}"
            response = yield request
            if response.status_code != 401:
                return
            refused = token

    async def _request(self, scopes: Sequence[str]) -> httpx.Request:
        now = int(time.time())
        claims = {
            "iss": self._signer.account,
            "sub": self._options.subject,
            "scope": " ".join(scopes),
            "aud": AUDIENCE,
            "iat": now,
            "exp": now + LIFE,
        }
        form = {"grant_type": GRANT, "assertion": await self._signer.sign(claims)}
        return httpx.Request("POST", self._options.token_endpoint, data=form, extensions={"repeatable": True})

    def _take(self, response: httpx.Response) -> None:
        if response.status_code != 200:
            raise token_error(response, self._signer.account, self._options)
        try:
            token = msgspec.json.decode(response.content, type=_Token)
        except (msgspec.MsgspecError, UnicodeDecodeError) as error:
            raise SourceError(
                f"{self._options.token_endpoint} answered without an access token ({error})",
                "correct the option token_endpoint",
            ) from None
        if not TOKEN.fullmatch(token.access_token):
            raise SourceError(
                f"{self._options.token_endpoint} issued an access token with invalid characters",
                "check the option token_endpoint, and the proxies between usersyncd and Google",
            )
        self._token = token.access_token
        self._until = self._clock() + min(token.expires_in, LONGEST_LIFE) - EARLY

    def _denied(self, denied: list[str]) -> SourceError:
        some = denied and len(denied) < len(self._scopes)
        which = f", but not with {', '.join(denied)}" if some else " with none of the required scopes"
        return SourceError(
            f"unauthorized_client: {self._signer.account} may act for {self._options.subject}{which}",
            delegation(self._scopes, self._signer.client_id),
        )
