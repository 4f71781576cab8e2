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

from usersyncd.plugin.public_addresses import is_public


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
