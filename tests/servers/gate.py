"""A port in front of a server. It can cut all connections, accept new ones, and never answer."""

from __future__ import annotations

import socket
import threading
from contextlib import suppress
from types import TracebackType


class Gate:
    """Forwards all connections to ``port`` until :meth:`shut`."""

    def __init__(self, port: int) -> None:
        self._to = port
        self._shut = threading.Event()
        self._sockets: list[socket.socket] = []
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def shut(self) -> None:
        """Cut all connections, and answer no new one."""
        self._shut.set()
        self._cut()

    def open(self) -> None:
        """Forward new connections again."""
        self._shut.clear()

    def __enter__(self) -> Gate:
        return self

    def __exit__(self, *_: type[BaseException] | BaseException | TracebackType | None) -> None:
        with suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self._cut()

    def _cut(self) -> None:
        while self._sockets:
            one = self._sockets.pop()
            with suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)
            one.close()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                self._sockets.append(client)
                if not self._shut.is_set():
                    server = socket.create_connection(("127.0.0.1", self._to))
                    self._sockets.append(server)
                    for one, other in ((client, server), (server, client)):
                        threading.Thread(target=self._pass, args=(one, other), daemon=True).start()

    def _pass(self, one: socket.socket, other: socket.socket) -> None:
        with suppress(OSError):
            while some := one.recv(65536):
                other.sendall(some)
        with suppress(OSError):
            other.shutdown(socket.SHUT_WR)
