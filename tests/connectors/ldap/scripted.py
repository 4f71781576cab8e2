"""An LDAP server that says what a test tells it to: for answers that no real server can be made to give.

Written by hand in BER (RFC 4511, section 5.1); lengths below 128 bytes only, but for what :func:`tlv` makes.
"""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Sequence

Answer = Callable[[int], bytes]
"""Message id of the request -> bytes to send; these may be several messages, or half of one."""

PAGED = b"1.2.840.113556.1.4.319"


class ScriptedServer:
    """Gives the next answer to each request, one connection after another; silent when the script is at its end."""

    def __init__(self, *script: Answer) -> None:
        self._script = iter(script)
        self._socket = socket.create_server(("127.0.0.1", 0))
        self.url = f"ldap://127.0.0.1:{self._socket.getsockname()[1]}"
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()

    def __enter__(self) -> ScriptedServer:
        return self

    def __exit__(self, *exception: object) -> None:
        self._socket.shutdown(socket.SHUT_RDWR)
        self._socket.close()
        self._thread.join()

    def _serve(self) -> None:
        try:
            while True:
                connection, _ = self._socket.accept()
                with connection:
                    while request := connection.recv(65536):
                        answer = next(self._script, None)
                        if answer is not None:
                            connection.sendall(answer(_message_id(request)))
        except OSError:
            return  # closed by the test


def _message_id(request: bytes) -> int:
    at = 2 + (request[1] & 0x7F if request[1] & 0x80 else 0)  # behind the sequence's tag and length
    return int.from_bytes(request[at + 2 : at + 2 + request[at + 1]], "big")


def tlv(tag: int, *parts: bytes) -> bytes:
    content = b"".join(parts)
    length = bytes([len(content)]) if len(content) < 0x80 else b"\x84" + len(content).to_bytes(4, "big")
    return bytes([tag]) + length + content


def _message(message_id: int, operation: bytes, controls: bytes = b"") -> bytes:
    return tlv(0x30, tlv(0x02, bytes([message_id])), operation, controls)


def _result(tag: int, code: int) -> bytes:
    return tlv(tag, tlv(0x0A, bytes([code])), tlv(0x04), tlv(0x04))


def bound(message_id: int) -> bytes:
    return _message(message_id, _result(0x61, 0))


def root_dse(message_id: int) -> bytes:
    """A server that says nothing about itself."""
    return entry(message_id, "", objectClass="top") + done(message_id)


def openldap(message_id: int) -> bytes:
    """The root DSE of an OpenLDAP with syncrepl."""
    says = {
        "objectClass": "OpenLDAProotDSE",
        "supportedControl": "1.3.6.1.4.1.4203.1.9.1.1",
        "namingContexts": "dc=acme",
    }
    return entry(message_id, "", **says) + done(message_id)


def synced(value: bytes) -> Answer:
    """The end of a syncrepl search, with this value of the sync done control."""

    def answer(message_id: int) -> bytes:
        control = tlv(0x30, tlv(4, b"1.3.6.1.4.1.4203.1.9.1.3"), tlv(4, value))
        return _message(message_id, _result(0x65, 0), tlv(0xA0, control))

    return answer


def tls_begins(message_id: int) -> bytes:
    return _message(message_id, _result(0x78, 0))


def entry(message_id: int, dn: str, **attributes: str) -> bytes:
    """A search result entry with attributes of one value each."""
    listed = [tlv(0x30, tlv(4, name.encode()), tlv(0x31, tlv(4, value.encode()))) for name, value in attributes.items()]
    return _message(message_id, tlv(0x64, tlv(4, dn.encode()), tlv(0x30, *listed)))


def done(message_id: int, code: int = 0, cookie: bytes | None = None) -> bytes:
    """The end of a page; with ``cookie`` None the server knows no pages."""
    if cookie is None:
        return _message(message_id, _result(0x65, code))
    value = tlv(0x30, tlv(0x02, b"\0"), tlv(0x04, cookie))
    return _message(message_id, _result(0x65, code), tlv(0xA0, tlv(0x30, tlv(4, PAGED), tlv(4, value))))


def page(names: Sequence[str], code: int = 0, cookie: bytes | None = None) -> Answer:
    """A page of people."""

    def answer(message_id: int) -> bytes:
        people = [entry(message_id, f"uid={name},dc=acme", uid=name, ENTRYUUID=f"id-{name}") for name in names]
        return b"".join(people) + done(message_id, code, cookie)

    return answer
