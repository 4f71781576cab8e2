"""What a service provider's failed answers mean: for one person, or for the provider as a whole."""

from __future__ import annotations

from typing import Any

import httpx
import msgspec

from usersyncd.errors import TargetError
from usersyncd.plugin import quoted

STREAK = 5
"""Changes in a row that fail with a server's own error, or for lack of rights, before the delivery ends."""
LASTS = "the next run tries again; if it stays so, ask the operator of the service provider, and see its status page"


class RefusesAllError(TargetError):
    """An answer that holds for every request of this kind: the token, or the address, is wrong."""


def said(response: httpx.Response) -> str:
    """The status, scimType and detail of an error in one line (RFC 7644, section 3.12; SCIM 1.1, section 3.9)."""
    kind, detail = error_of(response)
    text = f"{response.status_code} {kind}".strip()
    return f"{text}: {detail}" if detail else text


def error_of(response: httpx.Response) -> tuple[str, str]:
    """The scimType and the detail of an error; of another body, its beginning."""
    try:
        body: Any = msgspec.json.decode(response.content)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return "", quoted(response.content[:2000].decode(errors="replace"))
    match body:
        case {"Errors": [{"description": str(detail)}, *_]}:
            return "", quoted(detail)
        case {"detail": str(detail), **rest}:
            return quoted(str(rest.get("scimType") or ""), 60), quoted(detail)
        case {"message": str(detail)} | {"error": str(detail)} | {"error": {"message": str(detail)}}:
            return "", quoted(detail)
        case _:
            return "", quoted(response.content[:2000].decode(errors="replace"))


def refuses_all(response: httpx.Response, url: str) -> RefusesAllError | None:
    """The error of an answer that holds for every request; None if it may concern this resource alone."""
    status = response.status_code
    if status == 401:
        return RefusesAllError(
            f"{url} does not accept the token ({said(response)})",
            "put a valid token where the option `token` points: it may have expired or been revoked, or its owner may "
            "have lost their role",
        )
    if 300 <= status < 400:
        return RefusesAllError(
            f"{url} redirects to {quoted(response.headers.get('location', 'nowhere'), 200)}",
            "write the final address under `url`: the token is not sent to another one",
        )
    return None


class FailureStreak:
    """Counts failures in a row that may be the provider's own: a 403 or a 5xx for one person is that person's, one for
    everybody ends the delivery."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._count = 0
        self.successes = 0
        """Changes so far whose answer shows that the provider works."""

    def success(self) -> None:
        """Note an answer that shows that the provider works."""
        self._count = 0
        self.successes += 1

    def failure(self, response: httpx.Response) -> None:
        """Note a failure. Raises TargetError if it is one too many."""
        if response.status_code != 403 and response.status_code < 500:
            return
        self._count += 1
        if self._count >= STREAK:
            remedy = "give the token the right to write users and groups" if response.status_code == 403 else LASTS
            raise TargetError(
                f"{self._url} refused {self._count} changes in a row, the last one with {said(response)}", remedy
            )

    def lost(self, error: TargetError, since: int) -> None:
        """Note a change that was never answered although the provider answers other requests. It counts unless another
        change succeeded while it was under way: ``since`` is the number of successes at its start. Raises TargetError
        if it is one too many."""
        if self.successes > since:
            return
        self._count += 1
        if self._count >= STREAK:
            raise TargetError(f"{self._count} changes in a row failed, the last one so: {error.message}", LASTS)
