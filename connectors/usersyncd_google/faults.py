"""Errors with Google's message and a remedy."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime

import httpx
import msgspec
from msgspec import Struct

from usersyncd.errors import SourceError
from usersyncd.plugin import http_date, quoted
from usersyncd_google.options import GoogleOptions

_LASTING = frozenset({"accessNotConfigured", "dailyLimitExceeded", "dailyLimitExceededUnreg", "SERVICE_DISABLED"})
"""Reasons in the domain of quotas that do not end within minutes."""


_WHOLE = _LASTING | {"insufficientPermissions", "ACCESS_TOKEN_SCOPE_INSUFFICIENT"}
"""Reasons that affect all requests, not one object."""


class _Detail(Struct):
    domain: str = ""
    reason: str = ""


class _Error(Struct):
    message: str = ""
    errors: list[_Detail] = []
    details: list[_Detail] = []


class _Refusal(Struct):
    error: _Error


class _OAuth(Struct):
    error: str
    error_description: str = ""


def retryable(response: httpx.Response) -> bool:
    """Whether a quota is temporarily exhausted: 403 in the domain ``usageLimits`` (developers.google.com, Directory
    API, "Limits"). A disabled API has the same domain, but is not retried."""
    if response.status_code != 403:
        return False
    error = _refusal(response)
    reasons = {detail.reason for detail in (*error.errors, *error.details)}
    limits = any(detail.domain == "usageLimits" for detail in error.errors)
    return (limits or "RATE_LIMIT_EXCEEDED" in reasons) and not reasons & _LASTING


class MissingError(SourceError):
    """404: the requested object does not exist. ``is_stated``: Google itself says so, not something in between."""

    def __init__(self, message: str, remedy: str | None = None, *, is_stated: bool = False) -> None:
        super().__init__(message, remedy)
        self.is_stated = is_stated


class ForbiddenError(SourceError):
    """403: the requested object may not be read."""


class MalformedError(SourceError):
    """One object does not have the form that Google documents."""


def request_error(response: httpx.Response, doing: str, options: GoogleOptions, scopes: Sequence[str]) -> SourceError:
    """The error for a failed response of the Admin SDK. ``doing`` names the request."""
    error = _refusal(response)
    reasons = {detail.reason for detail in (*error.errors, *error.details)}
    if "page_token" in error.message.lower().replace(" ", "_"):
        reasons.add("pageToken")
    said = f"{doing}: Google refused with {response.status_code}: {quoted(error.message) or 'no reason given'}"
    if response.status_code == 404:
        return MissingError(said, _missing(reasons), is_stated="notFound" in reasons)
    kind = ForbiddenError if response.status_code == 403 and not reasons & _WHOLE else SourceError
    return kind(said, _remedy(response.status_code, reasons, options, scopes))


def _missing(reasons: set[str]) -> str:
    if "domainNotFound" in reasons:
        return "correct the option domains: each must be a domain of the subject's customer"
    return "check that it exists; a new object is known to all servers of Google only after a while"


def _remedy(status: int, reasons: set[str], options: GoogleOptions, scopes: Sequence[str]) -> str:
    if reasons & {"accessNotConfigured", "SERVICE_DISABLED"}:
        return (
            "enable the Admin SDK API in the Google Cloud project of the service account (APIs & Services → Library → "
            "Admin SDK API)"
        )
    if reasons & {"insufficientPermissions", "ACCESS_TOKEN_SCOPE_INSUFFICIENT"}:
        return delegation(scopes, None)
    if reasons & _LASTING:
        return "raise the daily quota (Google Cloud console → Admin SDK API → Quotas), or pull less often (`every`)"
    if status == 401:
        return "check that the service account is enabled; a new grant takes effect after up to 24 hours"
    if status == 403:
        return (
            f"{options.subject} must be an administrator: give the account a role with the Admin API privileges "
            "Users → Read, Groups → Read and Organization Units → Read, and for incremental pulls Reports "
            "(Admin console → Account → Admin roles), or name another subject"
        )
    if status == 400 and "pageToken" not in reasons:
        return "correct the option customer (it begins with C), domains or org_units; the message above says which"
    return "the next run starts again"


def delegation(scopes: Sequence[str], client_id: str | None) -> str:
    """The remedy for missing domain-wide delegation, with the names in the Admin console."""
    return (
        f"grant domain-wide delegation to the client ID {client_id or 'of the service account'} with the OAuth scopes "
        f"{', '.join(scopes)} (Admin console → Security → Access and data control → API controls → Manage Domain Wide "
        "Delegation); a grant takes effect after up to 24 hours"
    )


def token_error(response: httpx.Response, account: str, options: GoogleOptions) -> SourceError:
    """The error for a response of the token endpoint without a token. The caller reports missing scopes."""
    error, description = oauth(response)
    refusal = quoted(f"{error}: {description}")
    said = f"no access token for {account} as {options.subject}: {refusal}"
    if "email or User ID" in description:
        remedy = (
            f"correct the option subject: Google has no user {options.subject} that the service account may impersonate"
        )
    elif "JWT Signature" in description:
        remedy = (
            f"the key of {account} has expired or was deleted: create a new one (Google Cloud console → IAM & Admin → "
            "Service accounts → Keys) and put it where service_account says"
        )
    elif "account not found" in description:
        remedy = f"check that the service account {account} was neither deleted nor disabled"
    elif "reasonable timeframe" in description:
        remedy = f"set this machine's clock{_apart(response)}"
    else:
        remedy = "check the service account in the Google Cloud console, and its domain-wide delegation"
    return SourceError(said, remedy)


def oauth(response: httpx.Response) -> tuple[str, str]:
    """Code and description of an error (RFC 6749, section 5.2)."""
    try:
        found = msgspec.json.decode(response.content, type=_OAuth)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return str(response.status_code), "no reason given"
    return found.error, found.error_description


def _refusal(response: httpx.Response) -> _Error:
    try:
        return msgspec.json.decode(response.content, type=_Refusal).error
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return _Error()


@contextmanager
def reporting_unknown_forms() -> Iterator[None]:
    """Turns errors from processing responses of an undocumented form into SourceError."""
    try:
        yield
    except (LookupError, TypeError, AttributeError, ValueError, OverflowError) as error:
        raise SourceError(
            f"Google sent a response of an unknown form: {type(error).__name__} {error}",
            "this may be a bug of the connector: report it to the authors of usersyncd",
        ) from error


def server_time(response: httpx.Response) -> datetime | None:
    """The server's time, from the header ``Date`` (RFC 9110, section 6.6.1)."""
    return http_date(response.headers.get("date", ""))


def _apart(response: httpx.Response) -> str:
    then = server_time(response)
    if then is None:
        return ""
    seconds = (then - datetime.now(UTC)).total_seconds()
    return f": Google's is {abs(seconds):,.0f} s {'ahead' if seconds > 0 else 'behind'}"
