"""What Graph and its sign-in refuse, in their own words, and what to do about it."""

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
"""How Graph says that a delta token is too old or unknown: by code, or only by its message (learn.microsoft.com/graph/
delta-query-overview; devblogs.microsoft.com/microsoft365dev on the duration of change tracking tokens)."""

_GRANT = (
    "grant the application permission {permissions} of Microsoft Graph to the application {client} (Entra admin "
    "centre, App registrations, API permissions), and consent as an administrator"
)

_SIGN_IN: Mapping[int, str] = {
    50034: "correct tenant",
    53003: "let Conditional Access allow this workload identity from here",
    70021: "add a federated credential for this issuer, subject and audience to the application",
    90002: "correct tenant, or cloud: each cloud has tenants of its own",
    500011: "see that the tenant uses Microsoft Graph, and that cloud is right",
    700016: "correct client_id or tenant: the application must be registered in this tenant, or have its consent",
    700024: "see that this machine's clock is right, and that the federated token is renewed",
    700027: "upload the certificate (without its key) to the application, or use the one that is registered there",
    700211: "add a federated credential for this issuer to the application",
    700212: "add a federated credential for this audience to the application",
    700213: "add a federated credential for this subject to the application",
    7000112: "enable the application in the tenant",
    7000215: "write the secret's value, not its id, where client_secret points",
    7000222: "create a new client secret for the application, and put its value where client_secret points",
}
"""By the number behind AADSTS (learn.microsoft.com/entra/identity-platform/reference-error-codes)."""


class CursorExpired(Exception):  # noqa: N818 - it ends no pull
    """Graph does not know the delta token any more. ``said``: in its own words."""

    def __init__(self, said: str) -> None:
        super().__init__(said)
        self.said = said


class Vanished(SourceError):  # noqa: N818 - it need not end a pull
    """What was asked for is not there."""


class Forbidden(SourceError):  # noqa: N818 - check names all that is missing
    """A permission is missing."""


def error_of(response: httpx.Response) -> tuple[str, str]:
    """The code and the message of an error (learn.microsoft.com/graph/errors); of anything else, how it begins."""
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
    """Whether a delta token was refused because of its age."""
    code, message = error_of(response)
    if response.status_code == 410 or code.lower() in EXPIRED_CODES:
        return True
    return 400 <= response.status_code < 500 and EXPIRED_WORDS in message.lower()


def missing(permissions: str, client: str | None, said: str) -> Forbidden:
    """A permission is not granted."""
    remedy = _GRANT.format(permissions=permissions, client=client or "managed identity")
    return Forbidden(f"Microsoft Graph refuses: {said}", remedy)


def refused(response: httpx.Response, client: str | None) -> SourceError:
    """Graph answered, and not with what was asked for."""
    code, message = error_of(response)
    url = response.request.url
    said = f"{response.status_code} {quoted(code, 60)}: {message}" if code else f"{response.status_code} {message}"
    identifier = quoted(response.headers.get("request-id", ""), 60)
    what = f"{url.host}{url.path} answered {said}" + (f" (request-id {identifier})" if identifier else "")
    match response.status_code:
        case 403:
            return missing(PERMISSIONS[Kind.GROUP if "/groups" in url.path else Kind.USER], client, what)
        case 401:
            return SourceError(what, "see that tenant, cloud and endpoints belong together; a new token did not help")
        case 400 if code == "Directory_ExpiredPageToken":
            return SourceError(what, "the reading took too long, or was disturbed: the next run reads from the start")
        case 400:
            return SourceError(what, "correct the filter, or the rule that reads a property that Graph does not have")
        case 404:
            return Vanished(what, "see that what is named in the options is there, and that cloud is right")
        case _:
            return SourceError(what, "see what answers there: this is no answer of Microsoft Graph that is known")


def not_signed_in(answer: Mapping[str, Any], login: str) -> SourceError:
    """Entra gave no token. ``answer`` is what MSAL returned."""
    description = str(answer.get("error_description") or answer.get("error") or "it gave no reason")
    said = quoted(re.split(r"\s*Trace ID:", description)[0])
    given = answer.get("error_codes")
    codes = [code for code in given if isinstance(code, int)] if isinstance(given, list) else []
    codes += [int(number) for number in re.findall(r"AADSTS(\d{1,9})", description)]
    remedy = next((_SIGN_IN[code] for code in codes if code in _SIGN_IN), None)
    correlation = quoted(str(answer.get("correlation_id") or ""), 60)
    what = f"{login} refuses the sign-in: {said}" + (f" (correlation id {correlation})" if correlation else "")
    return SourceError(what, remedy or "see the sign-in logs of service principals in the Entra admin centre")


@contextmanager
def understood() -> Iterator[None]:
    """What is done in here with an object of Graph is done to one of the documented form, or SourceError is raised."""
    try:
        yield
    except (LookupError, TypeError, AttributeError, ValueError) as error:
        raise SourceError(
            f"Microsoft Graph sent an object of an unknown form: {type(error).__name__} {error}",
            "this may be a fault of the connector: report it to the authors of usersyncd",
        ) from error
