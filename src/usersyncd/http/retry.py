"""When a request is repeated, after how long, and when patience ends."""

from __future__ import annotations

import random
import ssl
from collections.abc import Callable

import httpx
import tenacity

from usersyncd.http.answers import is_json, phrase, retry_after, title, words
from usersyncd.plugin import Patience
from usersyncd.words import quoted

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
ENDED = ("peer closed connection", "Server disconnected")
"""How h11 and httpcore begin to tell of an answer that ended too soon, which may happen any day."""

ODD = "see what stands between here and the host: no such answer is expected"
OWN = "see where the token comes from: the secret that was given, or the host that gave it out"
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
    """Why this answer is worth another attempt; None when it is what the connector gets. Raises LastingError when
    nobody could read it."""
    status = response.status_code
    declared = patience.retryable is not None and patience.retryable(response)
    if status in STATUSES or declared:
        asked = retry_after(response)
        throttled = status == 429 or asked is not None or (declared and status < 500)
        said = words(response)
        what = f"answered {phrase(status)}" + (f": {said}" if said else "")
        return PassingError(what, THROTTLED if throttled else OWN_FAULT, asked=asked, throttled=throttled)
    try:
        whole = response.request.method == "HEAD" or is_json(response.content)
    except RecursionError:
        raise LastingError(f"answered {status} with JSON that is nested too deeply", ODD) from None
    if patience.json and status == 200 and not whole:
        # Only a page's title: half an answer would show who is in it.
        found = title(response.content)
        return PassingError(f"answered {status}, but not in JSON" + (f": {found}" if found else ""), IN_BETWEEN)
    return None


def trouble_with(error: httpx.TransportError) -> PassingError | LastingError:
    """What a broken connection means."""
    for cause in _causes(error):
        if isinstance(cause, ssl.SSLCertVerificationError):
            return LastingError(f"has a certificate that is not trusted: {cause.verify_message}", UNTRUSTED)
    match error:
        case httpx.ConnectError() | httpx.ConnectTimeout():
            return PassingError(f"cannot be reached: {_said(error)}", UNREACHABLE)
        case httpx.ProxyError():
            return PassingError(f"cannot be reached by the proxy: {_said(error)}", UNREACHABLE)
        case httpx.TimeoutException():
            return PassingError("was silent for too long", OWN_FAULT)
        case httpx.UnsupportedProtocol():
            return LastingError(f"cannot be asked: {_said(error)}", "correct the address")
        case httpx.LocalProtocolError():
            # Its words would show the header, and that is the token.
            return LastingError("cannot be asked: a header, perhaps the token, has characters that none can have", OWN)
        case httpx.RemoteProtocolError() if not str(error).startswith(ENDED):
            # Its words would show what came, such as a cookie.
            return PassingError("answered with something that is no HTTP", IN_BETWEEN)
        case _:
            return PassingError(f"broke the connection: {_said(error)}", OWN_FAULT)


def _said(error: httpx.TransportError) -> str:
    return quoted(str(error)) or type(error).__name__


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
