"""When a request is repeated, after how long, and when patience ends."""

from __future__ import annotations

import random
import ssl
from collections.abc import Callable

import httpx
import tenacity

from usersyncd.http.answers import is_json, retry_after, words
from usersyncd.plugin import Patience

STATUSES = frozenset({429, 500, 502, 503, 504})
"""Answers that are repeated whatever their body says (RFC 6585, section 4; RFC 9110, section 15.6)."""
FLOOR = 1.0
"""Seconds that a wait has at least, unless the provider says how long."""
CEILING = 60.0
"""Seconds that a wait has at the most, unless the provider says how long."""
STRANGER = 30.0
"""Seconds for which a host is tried that never answered in this run: its name may be a typing error."""
JITTER = 0.1
"""The part of a wait that the provider asked for that is added by chance, so that not all come back at once."""

OWN_FAULT = "the fault is the provider's: see its status page; the next run reads again"
THROTTLED = "the provider allows no more for now: the next run tries again; read less often (`every`) if it stays so"
IN_BETWEEN = "something between here and the host answers in its place, a proxy perhaps: ask the network's admin"
UNREACHABLE = "see that the host's name is right and that it can be reached from here: DNS, firewall, $HTTPS_PROXY"
UNTRUSTED = "let ca_file (or $SSL_CERT_FILE) name the PEM file of the CA that signed its certificate, perhaps a proxy's"


class PassingError(Exception):
    """One attempt failed in a way that another need not. ``asked``: the seconds that the provider asks for."""

    def __init__(self, what: str, remedy: str, *, asked: float | None = None, throttled: bool = False) -> None:
        super().__init__(what)
        self.what, self.remedy, self.asked, self.throttled = what, remedy, asked, throttled


class LastingError(Exception):
    """The request failed, and would fail again."""

    def __init__(self, what: str, remedy: str) -> None:
        super().__init__(what)
        self.what, self.remedy = what, remedy


def trouble_of(response: httpx.Response, patience: Patience) -> PassingError | None:
    """Why this answer is worth another attempt; None when it is what the connector gets."""
    status = response.status_code
    declared = patience.retryable is not None and patience.retryable(response)
    if status in STATUSES or declared:
        asked = retry_after(response)
        throttled = status == 429 or asked is not None or (declared and status < 500)
        said = words(response)
        what = f"answered {status} {response.reason_phrase}".rstrip() + (f": {said}" if said else "")
        return PassingError(what, THROTTLED if throttled else OWN_FAULT, asked=asked, throttled=throttled)
    if patience.json and status == 200 and response.request.method != "HEAD" and not is_json(response.content):
        return PassingError(f"answered {status}, but not in JSON: {words(response)}", IN_BETWEEN)
    return None


def trouble_with(error: httpx.TransportError) -> PassingError | LastingError:
    """What a broken connection means."""
    said = str(error) or type(error).__name__
    for cause in _causes(error):
        if isinstance(cause, ssl.SSLCertVerificationError):
            return LastingError(f"has a certificate that is not trusted: {cause.verify_message}", UNTRUSTED)
    match error:
        case httpx.ConnectError() | httpx.ConnectTimeout():
            return PassingError(f"cannot be reached: {said}", UNREACHABLE)
        case httpx.ProxyError():
            return PassingError(f"cannot be reached by the proxy: {said}", UNREACHABLE)
        case httpx.TimeoutException():
            return PassingError("was silent for too long", OWN_FAULT)
        case httpx.UnsupportedProtocol() | httpx.LocalProtocolError():
            return LastingError(f"cannot be asked: {said}", "correct the address")
        case _:
            return PassingError(f"broke the connection: {said}", OWN_FAULT)


def _causes(error: BaseException | None) -> list[BaseException]:
    found: list[BaseException] = []
    while error is not None and error not in found:
        found.append(error)
        error = error.__cause__ or error.__context__
    return found


_backoff = tenacity.wait_random_exponential(multiplier=2 * FLOOR, min=FLOOR, max=CEILING)


def wait(state: tenacity.RetryCallState) -> float:
    """What the provider asks for; otherwise exponentially longer, by chance between the floor and that (full jitter).

    Providers are known to ask for one second again and again: from the second time on it is the longer of the two.
    """
    asked = trouble(state).asked
    if asked is None:
        return _backoff(state)
    asked += random.uniform(0, JITTER * asked)  # noqa: S311 - no secret
    return asked if state.attempt_number == 1 else max(asked, _backoff(state))


def stop_when(over: Callable[[float], bool]) -> Callable[[tenacity.RetryCallState], bool]:
    """Stop when ``over`` says so of the wait that is coming."""
    return lambda state: over(state.upcoming_sleep)


def trouble(state: tenacity.RetryCallState) -> PassingError:
    """What ended the last attempt."""
    error = state.outcome.exception() if state.outcome else None
    if not isinstance(error, PassingError):
        raise TypeError(f"only trouble is repeated, not {error!r}")
    return error
