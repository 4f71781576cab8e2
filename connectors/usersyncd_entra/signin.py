"""Signing in as an application: MSAL decides what to say, the patient transport says it."""

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
from usersyncd_entra.faults import not_signed_in
from usersyncd_entra.links import is_within, place
from usersyncd_entra.options import EntraOptions

EARLY = 120.0
"""Seconds before its end at which a token is renewed."""
LONGEST_LIFE = 86_400.0
"""Seconds that a token is used without asking for another one, whatever its answer says."""
TOKEN = re.compile(r"[\x21-\x7e]{1,20000}")
"""What a header can carry."""
EXCHANGE = "api://AzureADTokenExchange"
"""The audience of a token that an application trusts in place of its secret."""


class SignIn:
    """Access tokens for Graph, renewed when they end. ``client`` is closed by who made it."""

    def __init__(self, options: EntraOptions, context: Context, client: httpx.AsyncClient) -> None:
        self._options = options
        self._context = context
        self._client = client
        self._lock = asyncio.Lock()
        self._token = ""
        self._ends = 0.0
        self._ask: Callable[[str | None], Mapping[str, Any]] | None = None

    async def token(self) -> str:
        """A token that is good for a while. Raises SourceError in the provider's words."""
        if time.monotonic() >= self._ends:
            return await self.renewed(self._token, None)
        return self._token

    async def renewed(self, refused: str, claims: str | None) -> str:
        """A token in place of the ``refused`` one. ``claims``: what Graph wants the new one to be asked for with."""
        async with self._lock:
            if self._token == refused:
                answer = await self._in_thread(claims)
                token = answer.get("access_token")
                if token is None:
                    raise not_signed_in(answer, self._options.login)
                if not isinstance(token, str) or not TOKEN.fullmatch(token):
                    raise SourceError(f"{self._options.login} gave a token that no header can carry", ODD)
                self._token = token
                self._ends = time.monotonic() + max(0.0, _seconds(answer.get("expires_in")) - EARLY)
            return self._token

    @property
    def permissions(self) -> frozenset[str] | None:
        """The application permissions that the token carries; None when that cannot be seen."""
        try:
            payload = self._token.split(".")[1]
            claims = msgspec.json.decode(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))
            return frozenset(claims.get("roles", ()))
        except (IndexError, ValueError, AttributeError, TypeError, RecursionError, msgspec.DecodeError):
            return None

    async def _in_thread(self, claims: str | None) -> Mapping[str, Any]:
        """What MSAL answers. It blocks, so it has a thread; when this is cancelled, so is what the thread waits for."""
        http = _BlockingClient(self._client, asyncio.get_running_loop(), self._options.login)
        try:
            # A new application each time: MSAL would give the refused token once more, out of its cache.
            return await asyncio.to_thread(lambda: self._acquire(http, claims))
        except UsersyncError:
            raise
        except Exception as error:
            # MSAL says that the tenant cannot be found, and why stands in the answer that it got; or it met with
            # something that it did not expect, and says so with any error that Python has.
            unknown = f"an answer of an unknown form ({type(error).__name__})"
            said = str(error) if isinstance(error, ValueError) else unknown
            raise not_signed_in(http.refusal or {"error": said}, self._options.login) from None
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
            raise not_signed_in(answer, "the managed identity of this machine")
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
                f"what the option certificate points to holds no {lacks} in PEM", "put both there, one after the other"
            )
        passphrase = None if self._options.passphrase is None else self._context.secret(self._options.passphrase)
        try:
            ends = x509.load_pem_x509_certificate(certificate.encode()).not_valid_after_utc
            load_pem_private_key(key.encode(), passphrase.encode() if passphrase else None)
        except (ValueError, TypeError, UnsupportedAlgorithm) as error:
            raise SourceError(
                f"the certificate of the application {self._options.client_id}, or its private key, cannot be read: "
                f"{type(error).__name__}",
                "put both in PEM where the option certificate points, and the key's passphrase where passphrase points",
            ) from None
        if ends < datetime.now(UTC):
            raise SourceError(
                f"the certificate of the application {self._options.client_id} expired on {ends:%Y-%m-%d}",
                "make a new one, upload it to the application, and put it where the option certificate points",
            )
        credential = {"private_key": key, "public_certificate": certificate}
        return {**credential, "passphrase": passphrase} if passphrase else credential


SECRETS = frozenset({"client_secret", "client_assertion"})
"""The fields of a form that prove who the application is."""
ODD = "see that cloud and endpoints are right, and what stands between here and the login"


def _seconds(life: Any) -> float:
    try:
        found = float(life)
    except (TypeError, ValueError, OverflowError):
        return 0.0
    return min(found, LONGEST_LIFE) if math.isfinite(found) else 0.0


_PEM = re.compile(r"(-----BEGIN ([A-Z ]+)-----.*?-----END \2-----)", re.DOTALL)


def _https(url: str) -> str:
    """MSAL takes no other addresses; on this machine there may be others."""
    return url.replace("http://", "https://", 1)


class _BlockingClient:
    """What MSAL wants of an HTTP client (its documentation, ``http_client``), on an asynchronous one."""

    def __init__(self, client: httpx.AsyncClient, loop: asyncio.AbstractEventLoop, login: str) -> None:
        self._client = client
        self._login = login
        self._loop = loop
        self._under_way: Future[httpx.Response] | None = None
        self._cancelled = False
        self.refusal: Mapping[str, Any] | None = None
        """The last answer that was no success."""

    def get(self, url: str, params: Any = None, headers: Any = None, **_: Any) -> httpx.Response:
        return self._wait("GET", url, params=params, headers=headers)

    def post(self, url: str, params: Any = None, data: Any = None, headers: Any = None, **_: Any) -> httpx.Response:
        if SECRETS.intersection(data or ()) and not self._is_login(url):
            raise SourceError(
                f"{self._login} leads the sign-in to another host: {place(url)}",
                "see that cloud and endpoints are right, and that nothing in between changes what the login answers",
            )
        # A signed assertion comes as bytes, of which httpx would make their Python notation.
        if isinstance(data, Mapping):
            data = {name: value.decode() if isinstance(value, bytes) else value for name, value in data.items()}
        # Asking for a token twice does no harm.
        extensions = {"repeatable": True}
        return self._wait("POST", url, params=params, data=data, headers=headers, extensions=extensions)

    def close(self) -> None:
        """The client is closed by who made it."""

    def cancel(self) -> None:
        self._cancelled = True
        if self._under_way is not None:
            self._under_way.cancel()

    def _is_login(self, url: str) -> bool:
        """Whether an address is the login's. Microsoft's own logins stand for each other."""
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
