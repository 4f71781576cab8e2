"""What an answer says: when to come again, whether it is whole, and the provider's own words."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any

import httpx
import msgspec

REQUEST_IDS = ("request-id", "x-ms-request-id", "x-request-id", "x-goog-request-id")
WORDS = 300
"""Characters of the provider's own words that are shown."""


def retry_after(response: httpx.Response) -> float | None:
    """Seconds to wait, as the answer asks for (RFC 9110, section 10.2.3): a number or a date.

    A date counts from the answer's own ``Date``, so that the two clocks need not agree.
    """
    text = response.headers.get("retry-after", "").strip()
    if re.fullmatch(r"\d{1,9}(\.\d+)?", text):
        return float(text)
    then = _date(text)
    if then is None:
        return None
    now = _date(response.headers.get("date", "")) or datetime.now(UTC)
    return max(0.0, (then - now).total_seconds())


def _date(text: str) -> datetime | None:
    try:
        date = parsedate_to_datetime(text)
    except ValueError:
        return None
    return date if date.tzinfo else date.replace(tzinfo=UTC)


def is_json(body: bytes) -> bool:
    """Whether a body is JSON from its beginning to its end. Costs a tenth of decoding it."""
    try:
        msgspec.json.decode(body, type=msgspec.Raw)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return False
    return True


def words(response: httpx.Response) -> str:
    """What the provider says of its refusal, in one line, with its code and the id of the request, if it gives them.

    Knows the error bodies of Microsoft Graph and Google (``error.code``, ``error.message``) and of OAuth (RFC 6749,
    section 5.2); of anything else, the beginning of its text.
    """
    said = _said(response.content)
    identifier = request_id(response)
    return f"{said} (request-id {identifier})" if identifier else said


def request_id(response: httpx.Response) -> str | None:
    """The id under which the provider finds this request."""
    return next((response.headers[name] for name in REQUEST_IDS if name in response.headers), None)


def _said(body: bytes) -> str:
    try:
        decoded = msgspec.json.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return _of_text(body)
    match decoded:
        case {"error": {"message": str(message), **rest}}:
            code = rest.get("code", "")
            return _line(f"{code}: {message}" if isinstance(code, str) and code else message)
        case {"error": str(code), "error_description": str(message)}:
            return _line(f"{code}: {message}")
        case Mapping():
            return _line(_first_text(decoded))
        case _:
            return _of_text(body)


def _first_text(body: Mapping[str, Any]) -> str:
    return next((body[key] for key in ("error", "message", "detail") if isinstance(body.get(key), str)), "")


def _of_text(body: bytes) -> str:
    text = body[:8192].decode(errors="replace")
    title = re.search(r"<title[^>]*>(.*?)</title>", text, re.IGNORECASE | re.DOTALL)
    return _line(title.group(1) if title else re.sub(r"<[^>]*>", " ", text))


def _line(text: str) -> str:
    line = " ".join(text.split())
    return line if len(line) <= WORDS else f"{line[:WORDS]}…"
