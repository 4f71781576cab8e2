"""Sign-in as an application: MSAL implements the protocol, the context's HTTP client sends the requests."""

from __future__ import annotations

import asyncio
import base64
import math
import re
import time
from collections.abc import Callable, Mapping
from concurrent.futures import Future
from contextlib import suppress
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlsplit

import httpx
import msal
import msgspec
from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from usersyncd.errors import SourceError, UsersyncError
from usersyncd.plugin import Context, Secret
from usersyncd_entra.faults import sign_in_error
from usersyncd_entra.links import is_within, place
from usersyncd_entra.options import EntraOptions

EARLY = 120.0
"""Seconds before its expiry at which a token is renewed."""
LONGEST_LIFE = 86_400.0
"""Maximum seconds for which a token is used, whatever the response says."""
TOKEN = re.compile(r"[\x21-\x7e]{1,20000}")
"""The characters that are allowed in a header."""
EXCHANGE = "api://AzureADTokenExchange"
"""The audience of a token that an application accepts instead of its secret."""


class SignIn:
    """Access tokens for Graph, renewed before they expire. The caller closes ``client``."""

    def __init__(self, options: EntraOptions, context: Context, client: httpx.AsyncClient) -> None:
        self._options = options
        self._context = context
        self._client = client
        self._lock = asyncio.Lock()
        self._token = ""
        self._ends = 0.0
        self._ask: Callable[[str | None], Mapping[str, Any]] | None = None

    async def token(self) -> str:
        """A token that stays valid for a while. Raises SourceError with the provider's message."""
        if time.monotonic() >= self._ends:
            return await self.renewed(self._token, None)
        return self._token

    async def renewed(self, refused: str, claims: str | None) -> str:
        """A token that replaces the ``refused`` one. ``claims``: the claims that the request for the new token must
        contain."""
        async with self._lock:
            if self._token == refused:
                answer = await self._in_thread(claims)
                token = answer.get("access_token")
                if token is None:
                    raise sign_in_error(answer, self._options.login)
                if not isinstance(token, str) or not TOKEN.fullmatch(token):
                    raise SourceError(f"{self._options.login} issued a token with invalid characters", ODD)
                self._token = token
                self._ends = time.monotonic() + max(0.0, _seconds(answer.get("expires_in")) - EARLY)
            return self._token

    @property
    def permissions(self) -> frozenset[str] | None:
        """The application permissions in the token; None when they cannot be read."""
        try:
            payload = self._token.split(".")[1]
            claims = msgspec.json.decode(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))
            return frozenset(claims.get("roles", ()))
        except (IndexError, ValueError, AttributeError, TypeError, RecursionError, msgspec.DecodeError):
            return None

    async def _in_thread(self, claims: str | None) -> Mapping[str, Any]:
        """MSAL's result. MSAL blocks, so it runs in a thread; cancelling this also cancels the request on which the
        thread waits."""
        http = _BlockingClient(self._client, asyncio.get_running_loop(), self._options.login)
        try:
            # A new application each time: MSAL would return the refused token from its cache.
            return await asyncio.to_thread(lambda: self._acquire(http, claims))
        except UsersyncError:
            raise
        except Exception as error:
            # MSAL only says that the tenant cannot be found; the reason is in the response. After an unexpected
            # response, MSAL raises any error of Python.
            unknown = f"a response of an unknown form ({type(error).__name__})"
            said = str(error) if isinstance(error, ValueError) else unknown
            raise sign_in_error(http.refusal or {"error": said}, self._options.login) from None
        finally:
            http.cancel()

    def _acquire(self, http: _BlockingClient, claims: str | None) -> Mapping[str, Any]:
        options = self._options
        if options.client_id is None:
            return self._of_machine(http, options.graph)
        application = msal.ConfidentialClientApplication(
            options.client_id,
            client_credential=self._credential(http),
            authority=_https(f"{options.login}/{options.tenant}"),
            http_client=http,
            instance_discovery=False,
            client_capabilities=["CP1"],
        )
        answer: Mapping[str, Any] = application.acquire_token_for_client(
            [f"{options.graph}/.default"], claims_challenge=claims
        )
        return answer

    def _credential(self, http: _BlockingClient) -> Any:
        options, secret = self._options, self._context.secret
        if options.client_secret is not None:
            return secret(options.client_secret)
        if options.certificate is not None:
            return self._certificate(options.certificate)
        if options.workload_identity is not None:
            workload = options.workload_identity
            return {"client_assertion": lambda: secret(workload)}
        answer = self._of_machine(http, EXCHANGE)
        if "access_token" not in answer:
            raise sign_in_error(answer, "the managed identity of this machine")
        return {"client_assertion": lambda: answer["access_token"]}

    def _of_machine(self, http: _BlockingClient, resource: str) -> Mapping[str, Any]:
        identity = self._options.managed_identity
        chosen = (
            msal.UserAssignedManagedIdentity(client_id=identity.client_id)
            if identity is not None and identity.client_id
            else msal.SystemAssignedManagedIdentity()
        )
        answer: Mapping[str, Any] = msal.ManagedIdentityClient(chosen, http_client=http).acquire_token_for_client(
            resource=resource
        )
        return answer

    def _certificate(self, reference: Secret) -> Mapping[str, Any]:
        pem = self._context.secret(reference)
        blocks = dict(reversed([(kind, block) for block, kind in _PEM.findall(pem)]))
        certificate = blocks.get("CERTIFICATE")
        key = next((block for kind, block in blocks.items() if kind.endswith("PRIVATE KEY")), None)
        if certificate is None or key is None:
            lacks = "certificate" if certificate is None else "private key"
            raise SourceError(
                f"the secret of the option certificate has no {lacks} in PEM", "store both there, one after the other"
            )
        passphrase = None if self._options.passphrase is None else self._context.secret(self._options.passphrase)
        try:
            ends = x509.load_pem_x509_certificate(certificate.encode()).not_valid_after_utc
            load_pem_private_key(key.encode(), passphrase.encode() if passphrase else None)
        except (ValueError, TypeError, UnsupportedAlgorithm) as error:
            raise SourceError(
                f"the certificate of the application {self._options.client_id}, or its private key, cannot be read: "
                f"{type(error).__name__}",
                "store both in PEM as the secret of the option certificate, and the passphrase as that of passphrase",
            ) from None
        if ends < datetime.now(UTC):
            raise SourceError(
                f"the certificate of the application {self._options.client_id} expired on {ends:%Y-%m-%d}",
                "create a new one, upload it to the application, and store it as the secret of the option certificate",
            )
        credential = {"private_key": key, "public_certificate": certificate}
        return {**credential, "passphrase": passphrase} if passphrase else credential


SECRETS = frozenset({"client_secret", "client_assertion"})
"""The fields of a form with the application's credentials."""
ODD = "check the options cloud and endpoints, and the proxies between usersyncd and the login"


def _seconds(life: Any) -> float:
    try:
        found = float(life)
    except (TypeError, ValueError, OverflowError):
        return 0.0
    return min(found, LONGEST_LIFE) if math.isfinite(found) else 0.0


_PEM = re.compile(r"(-----BEGIN ([A-Z ]+)-----.*?-----END \2-----)", re.DOTALL)


def _https(url: str) -> str:
    """MSAL accepts only https; on loopback http is allowed."""
    return url.replace("http://", "https://", 1)


class _BlockingClient:
    """The HTTP client that MSAL requires (its documentation, ``http_client``), on top of an asynchronous one."""

    def __init__(self, client: httpx.AsyncClient, loop: asyncio.AbstractEventLoop, login: str) -> None:
        self._client = client
        self._login = login
        self._loop = loop
        self._under_way: Future[httpx.Response] | None = None
        self._cancelled = False
        self.refusal: Mapping[str, Any] | None = None
        """The last failed response."""

    def get(self, url: str, params: Any = None, headers: Any = None, **_: Any) -> httpx.Response:
        return self._wait("GET", url, params=params, headers=headers)

    def post(self, url: str, params: Any = None, data: Any = None, headers: Any = None, **_: Any) -> httpx.Response:
        if SECRETS.intersection(data or ()) and not self._is_login(url):
            raise SourceError(
                f"{self._login} redirects the sign-in to another host: {place(url)}",
                "check the options cloud and endpoints, and that no proxy changes the login's responses",
            )
        # A signed assertion is bytes, which httpx would send in Python's notation.
        if isinstance(data, Mapping):
            data = {name: value.decode() if isinstance(value, bytes) else value for name, value in data.items()}
        # Requesting a token twice is harmless.
        extensions = {"repeatable": True}
        return self._wait("POST", url, params=params, data=data, headers=headers, extensions=extensions)

    def close(self) -> None:
        """Does nothing: the caller of SignIn closes the client."""

    def cancel(self) -> None:
        self._cancelled = True
        if self._under_way is not None:
            self._under_way.cancel()

    def _is_login(self, url: str) -> bool:
        """Whether a URL belongs to the login. Microsoft's own logins are interchangeable."""
        known = msal.authority.WELL_KNOWN_AUTHORITY_HOSTS
        hosts = known if urlsplit(self._login).hostname in known else ()
        logins = [_https(self._login), *(f"https://{host}" for host in hosts)]
        return any(is_within(url, f"{login}/") for login in logins)

    def _wait(self, method: str, url: str, **arguments: Any) -> httpx.Response:
        if self._cancelled:
            raise asyncio.CancelledError
        url = url.replace(_https(self._login), self._login, 1)
        self._under_way = asyncio.run_coroutine_threadsafe(self._client.request(method, url, **arguments), self._loop)
        response = self._under_way.result()
        if response.is_error:
            with suppress(msgspec.MsgspecError):
                self.refusal = msgspec.json.decode(response.content, type=dict[str, Any])
        return response
