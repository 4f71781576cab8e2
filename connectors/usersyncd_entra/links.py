"""Addresses that answers lead to: the token, or the application's secret, goes where they point."""

from __future__ import annotations

import httpx


def is_within(url: str, base: str) -> bool:
    """Whether an address is at ``base`` or below it: the same scheme, host and port, and no user."""
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
    """Host and path of an address for a message: what follows may be a token, and what it names may be anything."""
    try:
        found = httpx.URL(url)
    except (httpx.InvalidURL, ValueError):
        return "an address that cannot be read"
    return f"{found.host}{found.path}"
