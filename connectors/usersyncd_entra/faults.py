"""Errors of Graph and its sign-in, with their message and a remedy."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import httpx
import msgspec

from usersyncd.errors import SourceError
from usersyncd.plugin import Kind, quoted
from usersyncd_entra.mapping import PERMISSIONS

EXPIRED_CODES = frozenset({"syncstatenotfound", "syncstateinvalid", "resyncrequired", "resyncapplydifferences"})
EXPIRED_WORDS = "sync state generation is not found"
"""How Graph reports an expired or unknown delta token: by code, or only by message (learn.microsoft.com/graph/
delta-query-overview; devblogs.microsoft.com/microsoft365dev on the duration of change tracking tokens)."""

NOT_FOUND = "Request_ResourceNotFound"
"""The code of an object that does not exist (learn.microsoft.com/graph/resolve-auth-errors)."""

_GRANT = (
    "grant the application permission {permissions} of Microsoft Graph to the application {client} (Entra admin "
    "centre, App registrations, API permissions), and consent as an administrator"
)

_SIGN_IN: Mapping[int, str] = {
    50034: "correct tenant",
    53003: "allow this workload identity from this network in Conditional Access",
    70021: "add a federated credential for this issuer, subject and audience to the application",
    90002: "correct tenant, or cloud: each cloud has its own tenants",
    500011: "check that the tenant uses Microsoft Graph, and the option cloud",
    700016: "correct client_id or tenant: the application must be registered in this tenant, or have its consent",
    700024: "check this machine's clock, and that the federated token is renewed",
    700027: "upload the certificate (without its key) to the application, or use the registered one",
    700211: "add a federated credential for this issuer to the application",
    700212: "add a federated credential for this audience to the application",
    700213: "add a federated credential for this subject to the application",
    7000112: "enable the application in the tenant",
    7000215: "write the secret's value, not its id, where client_secret points",
    7000222: "create a new client secret for the application, and put its value where client_secret points",
}
"""By the number behind AADSTS (learn.microsoft.com/entra/identity-platform/reference-error-codes)."""


class CursorExpired(Exception):  # noqa: N818 - it does not end a pull
    """The delta token has expired. ``said``: Graph's message."""

    def __init__(self, said: str) -> None:
        super().__init__(said)
        self.said = said


class NotFound(SourceError):  # noqa: N818 - it does not always end a pull
    """The requested object does not exist. ``is_stated``: Graph itself says so, not something in between."""

    def __init__(self, message: str, remedy: str | None = None, *, is_stated: bool = False) -> None:
        super().__init__(message, remedy)
        self.is_stated = is_stated


class Forbidden(SourceError):  # noqa: N818 - check collects all missing permissions
    """A permission is missing."""


def error_of(response: httpx.Response) -> tuple[str, str]:
    """The code and the message of an error (learn.microsoft.com/graph/errors); of any other body, its beginning."""
    try:
        body = msgspec.json.decode(response.content)
    except (msgspec.DecodeError, UnicodeDecodeError):
        body = None
    match body:
        case {"error": {"code": str(code), "message": str(message)}}:
            return code, quoted(message)
        case _:
            return "", quoted(response.content[:8192].decode(errors="replace"))


def is_expired(response: httpx.Response) -> bool:
    """Whether the response means that a delta token has expired."""
    code, message = error_of(response)
    if response.status_code == 410 or code.lower() in EXPIRED_CODES:
        return True
    return 400 <= response.status_code < 500 and EXPIRED_WORDS in message.lower()


def missing_permission(permissions: str, client: str | None, said: str) -> Forbidden:
    """The error for a missing permission."""
    remedy = _GRANT.format(permissions=permissions, client=client or "managed identity")
    return Forbidden(f"Microsoft Graph refuses: {said}", remedy)


def request_error(response: httpx.Response, client: str | None) -> SourceError:
    """The error for a failed response of Graph."""
    code, message = error_of(response)
    url = response.request.url
    said = f"{response.status_code} {quoted(code, 60)}: {message}" if code else f"{response.status_code} {message}"
    identifier = quoted(response.headers.get("request-id", ""), 60)
    what = f"{url.host}{url.path} answered {said}" + (f" (request-id {identifier})" if identifier else "")
    match response.status_code:
        case 403:
            return missing_permission(PERMISSIONS[Kind.GROUP if "/groups" in url.path else Kind.USER], client, what)
        case 401:
            return SourceError(what, "check that tenant, cloud and endpoints belong together; a new token did not help")
        case 400 if code == "Directory_ExpiredPageToken":
            return SourceError(what, "the pull took too long, or was interrupted: the next run starts again")
        case 400:
            return SourceError(what, "correct the filter, or the rule that reads a property that Graph does not have")
        case 404:
            stated = code == NOT_FOUND
            return NotFound(what, "check that the objects in the options exist, and the option cloud", is_stated=stated)
        case _:
            return SourceError(
                what, "check what responds at this address: Microsoft Graph does not document such a response"
            )


def sign_in_error(answer: Mapping[str, Any], login: str) -> SourceError:
    """The error for a refused sign-in. ``answer`` is what MSAL returned."""
    description = str(answer.get("error_description") or answer.get("error") or "no reason given")
    said = quoted(re.split(r"\s*Trace ID:", description)[0])
    given = answer.get("error_codes")
    codes = [code for code in given if isinstance(code, int)] if isinstance(given, list) else []
    codes += [int(number) for number in re.findall(r"AADSTS(\d{1,9})", description)]
    remedy = next((_SIGN_IN[code] for code in codes if code in _SIGN_IN), None)
    correlation = quoted(str(answer.get("correlation_id") or ""), 60)
    what = f"{login} refuses the sign-in: {said}" + (f" (correlation id {correlation})" if correlation else "")
    return SourceError(what, remedy or "see the sign-in logs of service principals in the Entra admin centre")


@contextmanager
def reporting_unknown_forms() -> Iterator[None]:
    """Turns errors from processing objects of an undocumented form into SourceError."""
    try:
        yield
    except (LookupError, TypeError, AttributeError, ValueError) as error:
        raise SourceError(
            f"Microsoft Graph sent an object of an unknown form: {type(error).__name__} {error}",
            "this may be a bug of the connector: report it to the authors of usersyncd",
        ) from error
