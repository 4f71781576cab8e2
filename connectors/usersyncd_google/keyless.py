"""Signs without a key file: IAM Credentials signs for a workload with the role Service Account Token Creator
(cloud.google.com, IAM Credentials API, ``projects.serviceAccounts.signJwt``)."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Iterator, Mapping
from concurrent.futures import CancelledError, Future
from typing import Any

import google.auth
import httpx
import msgspec
from google.auth import aws, identity_pool
from google.auth.credentials import Credentials, with_scopes_if_required
from google.auth.exceptions import DefaultCredentialsError, GoogleAuthError, TransportError
from google.auth.transport import Request, Response
from msgspec import Struct

from usersyncd.errors import SourceError, UsersyncError
from usersyncd.plugin import Patience, SourceContext, quoted
from usersyncd_google.options import GoogleOptions, Keyless

CLOUD = "https://www.googleapis.com/auth/cloud-platform"
PATIENCE = Patience(json=False, concurrency=1, seconds=20)
"""A short limit: a machine outside of Google's cloud has no metadata server."""


_NO_AUTH = httpx.Auth()
"""Sends a request without the client's authentication."""


class _Signed(Struct):
    signedJwt: str  # noqa: N815 - Google's name


class KeylessSigner:
    """Signs with IAM Credentials. Requests of ``client`` carry the workload's own token, never the subject's."""

    def __init__(
        self, options: GoogleOptions, keyless: Keyless, context: SourceContext, client: httpx.AsyncClient
    ) -> None:
        self.account = keyless.service_account
        self.client_id: str | None = None
        self._options, self._keyless = options, keyless
        self._context = context
        self._client = client

    async def sign(self, claims: Mapping[str, Any]) -> str:
        """The claims as a signed JWT. Raises SourceError."""
        token = await self._own_token()
        url = f"{self._keyless.endpoint}/v1/projects/-/serviceAccounts/{self.account}:signJwt"
        response = await self._client.post(
            url,
            json={"payload": json.dumps(dict(claims))},
            headers={"Authorization": f"Bearer {token}"},
            auth=_NO_AUTH,
            extensions={"repeatable": True},
        )
        try:
            return msgspec.json.decode(response.content, type=_Signed).signedJwt
        except (msgspec.MsgspecError, UnicodeDecodeError):
            raise SourceError(
                f"IAM Credentials does not sign for {self.account}: {response.status_code}: {_words(response)}",
                "enable the IAM Service Account Credentials API, and give this workload the role Service Account Token "
                f"Creator (roles/iam.serviceAccountTokenCreator) on {self.account}",
            ) from None

    async def _own_token(self) -> str:
        """The workload's own access token. google-auth is a blocking library, so it runs in its own thread."""
        keyless = self._keyless
        configuration = None if keyless.credentials is None else self._context.secret(keyless.credentials)
        async with self._context.http(PATIENCE, ca_file=self._options.ca_file, proxy=self._options.proxy) as client:
            request = _Adapter(client)

            def work() -> Iterator[str]:
                found = google.auth.default(request=request)[0] if configuration is None else _federated(configuration)
                credentials = with_scopes_if_required(found, [CLOUD])
                credentials.refresh(request)
                yield str(credentials.token)

            try:
                return await _only(self._context.blocking(work), request)
            except DefaultCredentialsError as error:
                raise SourceError(
                    f"this machine has no credentials for signing: {quoted(str(error))}",
                    "run on Google Cloud with a service account, or set the configuration file of workload identity "
                    "federation in keyless.credentials or in $GOOGLE_APPLICATION_CREDENTIALS",
                ) from None
            except UsersyncError:
                raise
            except Exception as error:
                # For an unexpected response the library raises any error of Python.
                known = isinstance(error, (GoogleAuthError, ValueError))
                said = quoted(str(error)) if known else f"a response of an unknown form ({type(error).__name__})"
                raise SourceError(
                    f"the workload's own credentials cannot be used: {said}",
                    "correct the configuration file of workload identity federation",
                ) from None


async def _only(tokens: AsyncIterator[str], request: _Adapter) -> str:
    """The only item of ``tokens``, which a thread produces. Cancelling this also cancels the request on which the
    thread waits."""
    reading = asyncio.ensure_future(_first(tokens))
    try:
        return await asyncio.shield(reading)
    except asyncio.CancelledError:
        request.stop()
        await asyncio.gather(reading, return_exceptions=True)
        raise


async def _first(tokens: AsyncIterator[str]) -> str:
    (token,) = [token async for token in tokens]
    return token


def _federated(text: str) -> Credentials:
    """Credentials of workload identity federation. Raises ValueError or GoogleAuthError when ``text`` is not its
    configuration."""
    info = msgspec.json.decode(text, type=dict[str, Any])
    source = info.get("credential_source", {})
    if info.get("type") != "external_account" or not isinstance(source, dict):
        raise ValueError("it is not of the type external_account")
    made_by: Any = aws if "environment_id" in source else identity_pool
    found: Credentials = made_by.Credentials.from_info(info)
    return found


class _Adapter(Request):
    """The transport of google-auth on the context's client: called in a thread, it sends requests in the event loop."""

    def __init__(self, client: httpx.AsyncClient) -> None:
        self._client = client
        self._loop = asyncio.get_running_loop()
        self._waiting: Future[httpx.Response] | None = None

    def stop(self) -> None:
        """Cancel the current request."""
        if self._waiting is not None:
            self._waiting.cancel()

    def __call__(
        self,
        url: str,
        method: str = "GET",
        body: bytes | None = None,
        headers: Mapping[str, str] | None = None,
        timeout: float | None = None,
        **_: Any,
    ) -> Response:
        """As :class:`google.auth.transport.Request` says. Raises TransportError."""
        work = self._client.request(
            method,
            url,
            content=body,
            headers=dict(headers or {}),
            timeout=httpx.USE_CLIENT_DEFAULT if timeout is None else timeout,
            extensions={"repeatable": True},
        )
        self._waiting = asyncio.run_coroutine_threadsafe(work, self._loop)
        try:
            return _Answer(self._waiting.result())
        except UsersyncError as error:
            raise TransportError(error.message) from error
        except (httpx.HTTPError, CancelledError) as error:
            raise TransportError(str(error)) from error


class _Answer(Response):
    def __init__(self, response: httpx.Response) -> None:
        self._response = response

    @property
    def status(self) -> int:
        return self._response.status_code

    @property
    def headers(self) -> Mapping[str, str]:
        return self._response.headers

    @property
    def data(self) -> bytes:
        return self._response.content


def _words(response: httpx.Response) -> str:
    try:
        return quoted(str(msgspec.json.decode(response.content)["error"]["message"]))
    except (msgspec.MsgspecError, UnicodeDecodeError, KeyError, TypeError):
        return "no reason given"
