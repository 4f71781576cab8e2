"""Who asks: the client's address, also behind proxies."""

from __future__ import annotations

import ipaddress
from collections.abc import Sequence

from starlette.types import Scope

from usersyncd.config.web import Network

UNKNOWN = "unknown"
"""The address of a client without one."""


def client_address(scope: Scope, proxies: Sequence[Network]) -> str:
    """The address of the client: that of the connection, or, if this is a trusted proxy's, the last address in
    ``X-Forwarded-For`` that is not a trusted proxy's. Earlier ones are what the client itself claims."""
    client = scope.get("client")
    address = client[0] if client else UNKNOWN
    if not _is_trusted(address, proxies):
        return address
    for forwarded in reversed(_forwarded(scope)):
        if not _is_address(forwarded):
            return address
        address = forwarded
        if not _is_trusted(address, proxies):
            return address
    return address


def _forwarded(scope: Scope) -> list[str]:
    values = [value.decode("latin-1") for name, value in scope["headers"] if name == b"x-forwarded-for"]
    return [part.strip() for part in ",".join(values).split(",") if part.strip()]


def _is_address(text: str) -> bool:
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return False
    return True


def _is_trusted(text: str, proxies: Sequence[Network]) -> bool:
    return _is_address(text) and any(ipaddress.ip_address(text) in network for network in proxies)
