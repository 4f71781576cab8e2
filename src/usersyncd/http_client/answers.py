"""Parsing of responses: the time to wait, whether JSON is complete, and the provider's error message."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from http import HTTPStatus
from typing import Any
from urllib.parse import parse_qsl, quote

import httpx
import msgspec

from usersyncd.plugin import http_date
from usersyncd.words import MASK, names_secret, quoted

REQUEST_IDS = ("request-id", "x-ms-request-id", "x-request-id", "x-goog-request-id")
REQUEST_ID = re.compile(r"[\w.:/=+-]{1,100}", re.ASCII)
"""The form of a request id; other text is not shown."""
LONG_ENOUGH = 8
"""Minimum length, in characters, of a secret that is masked in a response body."""
SPARE = 300
"""Stack frames that the real decoding may be deeper than the check: Python's recursion limit counts frames and JSON
nesting together."""


def retry_after(response: httpx.Response) -> float | None:
    """The seconds to wait that the response requests (RFC 9110, section 10.2.3): a number or a date.

    A date counts from the response's own ``Date``, so the two clocks may differ.
    """
    text = response.headers.get("retry-after", "").strip()
    if re.fullmatch(r"\d{1,9}(\.\d+)?", text):
        return float(text)
    then = http_date(text)
    if then is None:
        return None
    now = http_date(response.headers.get("date", "")) or datetime.now(UTC)
    return max(0.0, (then - now).total_seconds())


def is_json(body: bytes) -> bool:
    """Whether the whole body is valid JSON. Costs a tenth of decoding it. Raises RecursionError when it is nested too
    deeply to be decoded."""
    try:
        _checked(body, SPARE)
    except msgspec.DecodeError:
        whole = _without_halves(body)
        return whole != body and is_json(whole)
    except UnicodeDecodeError:
        return False
    return True


def _checked(body: bytes, calls: int) -> None:
    if calls:
        return _checked(body, calls - 1)
    msgspec.json.decode(body, type=msgspec.Raw)
    return None


def phrase(status: int) -> str:
    """A status with its standard name, not the reason phrase that the host sends, which may be any text."""
    try:
        return f"{status} {HTTPStatus(status).phrase}"
    except ValueError:
        return str(status)


_ESCAPE = re.compile(rb"\\(?:u[dD][89abAB]..\\u[dD][c-fC-F]..|u([dD][89a-fA-F]..)|.)", re.DOTALL)
"""An escape of JSON: a surrogate pair; a lone surrogate, captured; any other escape."""


def _without_halves(body: bytes) -> bytes:
    """The body with lone surrogates replaced: JSON allows them (RFC 8259, section 8.2), msgspec rejects them."""
    return _ESCAPE.sub(lambda escape: rb"\ufffd" if escape[1] else escape[0], body)


def error_message(response: httpx.Response) -> str:
    """The provider's error message in one line, with the error code and the request id if present.

    Knows the error bodies of Microsoft Graph and Google (``error.code``, ``error.message``) and of OAuth (RFC 6749,
    section 5.2); for other bodies, the beginning of the text.
    """
    said = _error_text(without_secrets(response.content, response.request))
    identifier = request_id(response)
    return f"{said} (request-id {identifier})" if identifier else said


def request_id(response: httpx.Response) -> str | None:
    """The id by which the provider's support can find this request."""
    found = (response.headers.get(name, "") for name in REQUEST_IDS)
    return next((identifier for identifier in found if REQUEST_ID.fullmatch(identifier)), None)


def _error_text(body: bytes) -> str:
    try:
        decoded = msgspec.json.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return _of_text(body)
    match decoded:
        case {"error": {"message": str(message), **rest}}:
            code = rest.get("code", "")
            return quoted(f"{code}: {message}" if isinstance(code, str) and code else message)
        case {"error": str(code), "error_description": str(message)}:
            return quoted(f"{code}: {message}")
        case Mapping():
            return quoted(_first_text(decoded))
        case _:
            return _of_text(body)


def _first_text(body: Mapping[str, Any]) -> str:
    return next((body[key] for key in ("error", "message", "detail") if isinstance(body.get(key), str)), "")


def title(body: bytes) -> str:
    """The title of an HTML page; empty when there is none."""
    found = re.search(rb"<title[^>]*>(.*?)</title>", body[:8192], re.IGNORECASE | re.DOTALL)
    return quoted(found.group(1).decode(errors="replace")) if found else ""


def _of_text(body: bytes) -> str:
    return title(body) or quoted(re.sub(r"<[^>]*>", " ", body[:8192].decode(errors="replace")))


def without_secrets(body: bytes, request: httpx.Request) -> bytes:
    """The body with the request's credentials masked: some hosts echo the request, including its token."""
    for secret in _secrets(request):
        for form in {secret, quote(secret, safe="")}:
            body = body.replace(form.encode(), MASK.encode())
    return body


def _secrets(request: httpx.Request) -> Iterator[str]:
    """The credentials in the request's header and form."""
    values = [request.headers.get("authorization", "").partition(" ")[2]]
    if request.headers.get("content-type") == "application/x-www-form-urlencoded":
        values += [value for name, value in parse_qsl(request.content.decode("latin-1")) if names_secret(name)]
    yield from (value for value in values if len(value) >= LONG_ENOUGH)
