"""Checks links in responses: the token, or the application's secret, is sent to the host that they name."""

from __future__ import annotations

import httpx


def is_within(url: str, base: str) -> bool:
    """Whether a URL is ``base`` or below it: same scheme, host and port, without user."""
    try:
        found, own = httpx.URL(url), httpx.URL(base)
    except (httpx.InvalidURL, ValueError):
        return False
    return (
        (found.scheme, found.host, found.port, found.userinfo) == (own.scheme, own.host, own.port, b"")
        and found.path.startswith(own.path)
        and ".." not in found.path.split("/")
    )


def place(url: str) -> str:
    """Host and path of a URL for a message: the query may contain a token."""
    try:
        found = httpx.URL(url)
    except (httpx.InvalidURL, ValueError):
        return "an invalid address"
    return f"{found.host}{found.path}"
