"""Sockets that give up: libldap waits for ever for a TLS handshake, or for the rest of an answer, that never comes."""

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
            connection.settimeout(None)  # libldap wants it blocking.
            impatient(connection.fileno())
            return connection
    raise OSError(f"no address for port {port}")


def impatient(descriptor: int) -> None:
    """Let no read on this socket wait for more than a second: libldap then looks at the time, and waits on.

    Without this it would not look at the time again once an answer has begun.
    """
    with socket.socket(fileno=os.dup(descriptor)) as connection:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVTIMEO, struct.pack("@ll", 1, 0))


@contextmanager
def cut_after(descriptor: int, seconds: int) -> Iterator[None]:
    """Shut this socket down, should the block still wait for it by then: it fails as if the server had gone."""
    with socket.socket(fileno=os.dup(descriptor)) as connection:
        timer = threading.Timer(seconds, _cut, (connection,))
        timer.start()
        try:
            yield
        finally:
            timer.cancel()
            timer.join()


def _cut(connection: socket.socket) -> None:
    with suppress(OSError):  # The other end was faster.
        connection.shutdown(socket.SHUT_RDWR)


def shakes_hands(host: str, port: int, seconds: int) -> None:
    """See that a TLS handshake is answered at all, so that libldap does not wait in vain. Raises OSError.

    Nobody is trusted for that, and nothing is said: it is libldap that verifies, on a connection of its own. A refusal
    is an answer, too: the server may want a certificate.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    with socket.create_connection((host, port), seconds) as connection, suppress(ssl.SSLError):
        context.wrap_socket(connection, server_hostname=host).close()


def holds_certificates(path: str) -> None:
    """See that a PEM file of authorities can be used. Raises OSError."""
    ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_verify_locations(path)
