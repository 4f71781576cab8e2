"""Decides whether a failed request is retried, and after which wait."""

from __future__ import annotations

import random
import ssl
from collections.abc import Callable

import httpx
import tenacity

from usersyncd.http_client.answers import error_message, is_json, phrase, retry_after, title
from usersyncd.plugin import Patience
from usersyncd.words import quoted

STATUSES = frozenset({429, 500, 502, 503, 504})
"""Statuses that are always retried (RFC 6585, section 4; RFC 9110, section 15.6)."""
FLOOR = 1.0
"""Minimum seconds of a wait, unless the provider gives the time."""
CEILING = 60.0
"""Maximum seconds of a wait, unless the provider gives the time."""
UNPROVEN_HOST = 30.0
"""Seconds of retrying a host that has not responded in this run: its name may be misspelt."""
JITTER = 0.1
"""Maximum random addition to a wait that the provider requested, as a part of it, so that clients do not return all at
once."""

OWN_FAULT = "the provider has a problem: see its status page; the next run tries again"
THROTTLED = "the provider limits the requests: the next run tries again; if this persists, pull less often (`every`)"
IN_BETWEEN = "another system, perhaps a proxy, responds in place of the host: ask the network's admin"
UNREACHABLE = "check the host's name, and that this machine can reach the host: DNS, firewall, $HTTPS_PROXY"
NOT_RUNNING = "nothing listens at this address and port: is it running, and is the port right?"
ENDED = ("peer closed connection", "Server disconnected")
"""How the errors of h11 and httpcore begin when a response ends too early, an everyday network failure."""

ODD = "check what the host sends, and the proxies between usersyncd and the host"
INVALID_HEADER = "check the source of the token: the configured secret, or the host that issued it"
UNTRUSTED = "set ca_file (or $SSL_CERT_FILE) to the PEM file of the CA that signed the certificate, perhaps a proxy's"


class PassingError(Exception):
    """One attempt failed; a retry may succeed. ``asked``: the seconds to wait that the provider requests.
    ``unprocessed``: the host did not process the request, or never received it. ``response``: the one that failed."""

    def __init__(
        self,
        what: str,
        remedy: str,
        *,
        asked: float | None = None,
        throttled: bool = False,
        unprocessed: bool = False,
        response: httpx.Response | None = None,
    ) -> None:
        super().__init__(what)
        self.what, self.remedy, self.asked, self.throttled = what, remedy, asked, throttled
        self.unprocessed, self.response = unprocessed, response


class LastingError(Exception):
    """The request failed, and a retry would fail too."""

    def __init__(self, what: str, remedy: str) -> None:
        super().__init__(what)
        self.what, self.remedy = what, remedy


def trouble_of(response: httpx.Response, patience: Patience) -> PassingError | None:
    """The reason to retry after this response; None when the connector receives the response. Raises LastingError when
    it cannot be decoded."""
    status = response.status_code
    declared = patience.retryable is not None and patience.retryable(response)
    if status in STATUSES or declared:
        asked = retry_after(response)
        throttled = status == 429 or asked is not None or (declared and status < 500)
        said = error_message(response)
        what = f"answered {phrase(status)}" + (f": {said}" if said else "")
        return PassingError(
            what,
            THROTTLED if throttled else OWN_FAULT,
            asked=asked,
            throttled=throttled,
            unprocessed=status == 429,
            response=response,
        )
    try:
        whole = response.request.method == "HEAD" or is_json(response.content)
    except RecursionError:
        raise LastingError(f"answered {status} with JSON that is nested too deeply", ODD) from None
    if patience.json and status == 200 and not whole:
        # Quote only a page's title: an incomplete response would show personal data.
        found = title(response.content)
        return PassingError(f"answered {status} without valid JSON" + (f": {found}" if found else ""), IN_BETWEEN)
    return None


def trouble_with(error: httpx.TransportError) -> PassingError | LastingError:
    """Classify a connection error."""
    for cause in _causes(error):
        if isinstance(cause, ssl.SSLCertVerificationError):
            return LastingError(f"has a certificate that is not trusted: {cause.verify_message}", UNTRUSTED)
        if isinstance(cause, ConnectionRefusedError) and isinstance(error, httpx.ConnectError):
            return PassingError("cannot be reached: Connection refused", NOT_RUNNING, unprocessed=True)
    match error:
        case httpx.ConnectError() | httpx.ConnectTimeout():
            return PassingError(f"cannot be reached: {_error_text(error)}", UNREACHABLE, unprocessed=True)
        case httpx.ProxyError():
            return PassingError(f"cannot be reached through the proxy: {_error_text(error)}", UNREACHABLE)
        case httpx.TimeoutException():
            return PassingError("did not respond in time", OWN_FAULT)
        case httpx.UnsupportedProtocol():
            return LastingError(f"cannot be requested: {_error_text(error)}", "correct the address")
        case httpx.LocalProtocolError():
            # The error's text would show the header, which contains the token.
            return LastingError(
                "cannot be requested: a header, perhaps the token, has invalid characters", INVALID_HEADER
            )
        case httpx.RemoteProtocolError() if not str(error).startswith(ENDED):
            # The error's text would show received data, such as a cookie.
            return PassingError("sent a response that is not HTTP", IN_BETWEEN)
        case _:
            return PassingError(f"broke the connection: {_error_text(error)}", OWN_FAULT)


def _error_text(error: httpx.TransportError) -> str:
    return quoted(str(error)) or type(error).__name__


def _causes(error: BaseException | None) -> list[BaseException]:
    """The causes of an error. A host with several addresses has one for each of them."""
    found: list[BaseException] = []
    while error is not None and error not in found:
        found.append(error)
        if isinstance(error, BaseExceptionGroup):
            found += error.exceptions
        error = error.__cause__ or error.__context__
    return found


_backoff = tenacity.wait_random_exponential(multiplier=2 * FLOOR, min=FLOOR, max=CEILING)


def wait(state: tenacity.RetryCallState) -> float:
    """The wait that the provider requests; otherwise a random time between the floor and an exponentially growing limit
    (full jitter).

    Some providers request one second again and again: from the second attempt on, the longer of the two applies.
    """
    asked = trouble(state).asked
    if asked is None:
        return _backoff(state)
    asked += random.uniform(0, JITTER * asked)  # noqa: S311 - no secret
    return asked if state.attempt_number == 1 else max(asked, _backoff(state))


def stop_when(over: Callable[[float], bool]) -> Callable[[tenacity.RetryCallState], bool]:
    """Stop when ``over`` is true for the next wait."""
    return lambda state: over(state.upcoming_sleep)


def trouble(state: tenacity.RetryCallState) -> PassingError:
    """The error of the last attempt."""
    error = state.outcome.exception() if state.outcome else None
    if not isinstance(error, PassingError):
        raise TypeError(f"only PassingError is retried, not {error!r}")
    return error
