"""Sockets with timeouts: libldap would wait forever for a TLS handshake, or for the rest of a response."""

from __future__ import annotations

import ipaddress
import os
import socket
import ssl
import struct
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress


def addresses(host: str, port: int) -> Sequence[str]:
    """The IP addresses of a host. Raises OSError."""
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(str(address[0]) for *_, address in found))


def is_loopback(address: str) -> bool:
    return ipaddress.ip_address(address.partition("%")[0]).is_loopback


def opened(hosts: Sequence[str], port: int, seconds: int) -> socket.socket:
    """A connection to the first of these addresses that answers. Raises OSError."""
    for last, host in enumerate(hosts, 1 - len(hosts)):
        try:
            connection = socket.create_connection((host, port), seconds)
        except OSError:
            if last == 0:
                raise
        else:
            connection.settimeout(None)  # libldap requires a blocking socket.
            limit_reads(connection.fileno())
            return connection
    raise OSError(f"no address for port {port}")


def limit_reads(descriptor: int) -> None:
    """Limit each read on this socket to one second, after which libldap checks its timeout and continues to wait.

    Without this, libldap would not check its timeout after a response has begun.
    """
    with socket.socket(fileno=os.dup(descriptor)) as connection:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVTIMEO, struct.pack("@ll", 1, 0))


@contextmanager
def cut_after(descriptor: int, seconds: int) -> Iterator[None]:
    """Shut this socket down if the block has not ended by then: the operation fails as if the server had closed it."""
    with socket.socket(fileno=os.dup(descriptor)) as connection:
        timer = threading.Timer(seconds, _cut, (connection,))
        timer.start()
        try:
            yield
        finally:
            timer.cancel()
            timer.join()


def _cut(connection: socket.socket) -> None:
    with suppress(OSError):  # The peer has already closed it.
        connection.shutdown(socket.SHUT_RDWR)


def check_handshake(host: str, port: int, seconds: int) -> None:
    """Check that the server answers a TLS handshake, so that libldap does not wait forever. Raises OSError.

    Without verification and without LDAP messages: libldap verifies the server on its own connection. A refusal is an
    answer too: the server may require a client certificate.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    with socket.create_connection((host, port), seconds) as connection, suppress(ssl.SSLError):
        context.wrap_socket(connection, server_hostname=host).close()


def check_authorities(path: str) -> None:
    """Check that a PEM file of authorities can be used. Raises OSError."""
    ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_verify_locations(path)
