"""A facade before a Samba domain controller, for what Windows does and Samba does not.

It speaks plain LDAP on loopback, and TLS to Samba. A long attribute comes in ranges without being asked for; a search
that is not paged ends after so many rows; DirSync comes in answers of two entries, the first of which has none.
"""

from __future__ import annotations

import re
import socket
import ssl
import threading
from collections.abc import Iterator
from contextlib import suppress

from tests.connectors.ldap.scripted import PAGED, tlv
from usersyncd_ldap import ber

DIRSYNC = b"1.2.840.113556.1.4.841"
SEARCH, ENTRY, DONE = 0x63, 0x64, 0x65
SIZE_LIMIT_EXCEEDED = 4
CONTROLS = 0xA0
RANGE = re.compile(rb"member;range=(\d+)-\*")
PART = b"part "


class Windows:
    """``values`` and ``rows`` are the limits. ``cut`` are searches that ended at the limit of rows."""

    def __init__(self, address: str, *, values: int = 1500, rows: int = 1000) -> None:
        self._address, self._values, self._rows = address, values, rows
        self._socket = socket.create_server(("127.0.0.1", 0))
        self.url = f"ldap://127.0.0.1:{self._socket.getsockname()[1]}"
        self.cut = 0
        self.empty = 0
        """Answers of DirSync that had no entries, and said that there is more."""
        self.pieces = 0
        """Pieces of members that were not the last."""
        self._kept: list[tuple[list[bytes], bytes]] = []
        threading.Thread(target=self._accept, daemon=True).start()

    def close(self) -> None:
        with suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)
        self._socket.close()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                client, _ = self._socket.accept()
                threading.Thread(target=self._serve, args=(client,), daemon=True).start()

    def _serve(self, client: socket.socket) -> None:
        trust = ssl.create_default_context()
        trust.check_hostname, trust.verify_mode = False, ssl.CERT_NONE
        plain = socket.create_connection((self._address, 636))
        with client, plain, trust.wrap_socket(plain) as server, suppress(OSError):
            answers = messages(server)
            for request in messages(client):
                identifier, (tag, operation), controls = parsed(request)
                if tag == SEARCH:
                    for answer in self._search(request, identifier, operation, controls, server, answers):
                        client.sendall(answer)
                else:
                    server.sendall(request)
                    if tag not in (0x42, 0x50):  # unbind and abandon have no answer
                        client.sendall(next(answers))

    def _search(
        self, request: bytes, identifier: bytes, operation: bytes, controls: dict[bytes, bytes],
        server: socket.socket, answers: Iterator[bytes],
    ) -> Iterator[bytes]:  # fmt: skip
        if DIRSYNC in controls:
            yield from self._dirsync(request, identifier, controls[DIRSYNC], server, answers)
            return
        server.sendall(request)
        scope = [*ber.elements(operation)][1][1]
        rows = 0
        for answer in answers:
            _, (tag, content), _ = parsed(answer)
            if tag == ENTRY:
                rows += 1
                if PAGED not in controls and scope != b"\0" and rows > self._rows:
                    continue
                yield self._ranged(answer, identifier, content)
            elif tag == DONE:
                if PAGED not in controls and scope != b"\0" and rows > self._rows:
                    self.cut += 1
                    answer = message(identifier, tlv(DONE, tlv(0x0A, bytes([SIZE_LIMIT_EXCEEDED])), tlv(4), tlv(4)))
                yield answer
                return
            else:
                yield answer

    def _ranged(self, answer: bytes, identifier: bytes, content: bytes) -> bytes:
        (_, dn), (_, attributes) = ber.elements(content)
        changed = False
        listed: list[bytes] = []
        for _, attribute in ber.elements(attributes):
            (_, name), (_, encoded) = ber.elements(attribute)
            values = [value for _, value in ber.elements(encoded)]
            match = RANGE.fullmatch(name.lower())
            start = int(match[1]) if match else 0
            if (match or name.lower() == b"member") and len(values) > self._values:
                changed = True
                self.pieces += 1
                if not match:
                    listed.append(tlv(0x30, tlv(4, name), tlv(0x31)))
                name = b"member;range=%d-%d" % (start, start + self._values - 1)
                values = values[: self._values]
            listed.append(tlv(0x30, tlv(4, name), tlv(0x31, *(tlv(4, value) for value in values))))
        return message(identifier, tlv(ENTRY, tlv(4, dn), tlv(0x30, *listed))) if changed else answer

    def _dirsync(
        self, request: bytes, identifier: bytes, value: bytes, server: socket.socket, answers: Iterator[bytes]
    ) -> Iterator[bytes]:
        cookie = ber.sequence(value)[2][1]
        if cookie.startswith(PART):
            number = int(cookie[len(PART) :])
            entries, end = self._kept[number]
            part, rest = entries[:2], entries[2:]
            for entry in part:
                yield message(identifier, tlv(ENTRY, entry))
            if not rest:
                yield message(identifier, *(tlv(tag, content) for tag, content in [*ber.sequence(end)][1:]))
                return
            self._kept.append((rest, end))
        else:
            server.sendall(request)
            entries = []
            for answer in answers:
                _, (tag, content), _ = parsed(answer)
                if tag == ENTRY:
                    entries.append(content)
                elif tag == DONE:
                    if not entries:
                        yield answer
                        return
                    self._kept.append((entries, answer))
                    self.empty += 1
                    break
        more = tlv(0x30, tlv(2, b"\1"), tlv(2, b"\0"), tlv(4, PART + b"%d" % (len(self._kept) - 1)))
        control = tlv(0x30, tlv(4, DIRSYNC), tlv(4, more))
        yield message(identifier, tlv(DONE, tlv(0x0A, b"\0"), tlv(4), tlv(4)), tlv(CONTROLS, control))


def messages(connection: socket.socket) -> Iterator[bytes]:
    """The LDAP messages that come in, one by one, whole."""
    held = b""
    while True:
        size = _size(held)
        while size is None or len(held) < size:
            more = connection.recv(1 << 16)
            if not more:
                return
            held += more
            size = _size(held)
        yield held[:size]
        held = held[size:]


def _size(held: bytes) -> int | None:
    if len(held) < 2:
        return None
    if held[1] < 0x80:
        return 2 + held[1]
    count = held[1] & 0x7F
    return 2 + count + int.from_bytes(held[2 : 2 + count], "big") if len(held) >= 2 + count else None


def parsed(text: bytes) -> tuple[bytes, tuple[int, bytes], dict[bytes, bytes]]:
    """Message id, operation (tag, content), and the values of the controls."""
    (_, identifier), operation, *rest = ber.sequence(text)
    controls: dict[bytes, bytes] = {}
    for tag, content in rest:
        if tag == CONTROLS:
            for _, control in ber.elements(content):
                (_, oid), *parts = ber.elements(control)
                controls[oid] = next((part for kind, part in parts if kind == ber.OCTETS), b"")
    return identifier, operation, controls


def message(identifier: bytes, *parts: bytes) -> bytes:
    return tlv(0x30, tlv(2, identifier), *parts)
