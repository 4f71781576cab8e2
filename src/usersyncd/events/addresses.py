"""Connects to public addresses only: the address that is checked is the one that is connected to.

A name is resolved once for each connection. So a name that resolves to another address a moment later (DNS rebinding)
gains nothing, and TLS and the Host header still use the name.
"""

from __future__ import annotations

import asyncio
import ipaddress
import socket
from collections.abc import Iterable
from typing import Any

import httpcore

_NAT64 = ipaddress.IPv6Network("64:ff9b::/96")
"""The addresses behind which a translator reaches IPv4 (RFC 6052)."""
_UNICAST = ipaddress.IPv6Network("2000::/3")
"""The only block of which IANA allocates addresses of the public internet (RFC 4291, section 2.4). Outside of it are,
among others, a network's own translators (64:ff9b:1::/48, RFC 8215), and other forms of IPv4 addresses (``::a.b.c.d``,
``::ffff:0:a.b.c.d``), which a machine may translate to any address."""

Address = ipaddress.IPv4Address | ipaddress.IPv6Address


class ForbiddenAddressError(Exception):
    """The host of a webhook has an address that is not public."""


class PublicBackend(httpcore.AsyncNetworkBackend):
    """Opens connections for httpcore. ``private``: any address is allowed."""

    def __init__(self, *, private: bool) -> None:
        self._private = private
        self._inner = httpcore.AnyIOBackend()

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,  # noqa: ASYNC109 - the signature is httpcore's
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> httpcore.AsyncNetworkStream:
        """Connect to the first address of the host that answers. Raises ForbiddenAddressError if one of its addresses
        is not public, httpcore.ConnectError if none answers."""
        addresses = await _resolved(host, port)
        if not self._private and (forbidden := [one for one in addresses if not is_public(ipaddress.ip_address(one))]):
            raise ForbiddenAddressError(f"{host} has the address {forbidden[0]}, which is not public")
        error: Exception | None = None
        for address in addresses:
            try:
                return await self._inner.connect_tcp(address, port, timeout, local_address, socket_options)
            except (httpcore.ConnectError, httpcore.ConnectTimeout) as failed:
                error = failed
        raise error or httpcore.ConnectError(f"{host} has no address")

    async def connect_unix_socket(self, path: str, *_: Any, **__: Any) -> httpcore.AsyncNetworkStream:
        raise ForbiddenAddressError(f"{path} is not a host")

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(seconds)


async def _resolved(host: str, port: int) -> list[str]:
    try:
        found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError) as error:
        reason = getattr(error, "strerror", None) or error
        raise httpcore.ConnectError(f"{host} cannot be resolved: {reason}") from error
    return list(dict.fromkeys(str(address[0]).partition("%")[0] for *_, address in found))


def is_public(address: Address) -> bool:
    """Whether an address belongs to the public internet. An IPv6 address that stands for an IPv4 address is judged by
    that one."""
    if isinstance(address, ipaddress.IPv6Address):
        if address in _NAT64:
            return is_public(ipaddress.IPv4Address(address.packed[-4:]))
        embedded = address.ipv4_mapped or address.sixtofour
        if embedded is not None:
            return is_public(embedded)
        if address not in _UNICAST or address.teredo is not None:
            return False
    return address.is_global and not address.is_multicast
