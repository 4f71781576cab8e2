"""Tests that run at the same moment do not disturb each other: ports, and servers that workers share."""

from __future__ import annotations

import socket
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Barrier

import pytest

from tests.servers.process import free_port, listens
from tests.servers.shared import once


def test_a_port_is_kept_for_the_server_that_it_was_given_to() -> None:
    port = free_port()
    assert not listens(port)
    with socket.socket() as somebody, pytest.raises(OSError, match="in use"):
        somebody.bind(("127.0.0.1", port))
    for _ in range(2):  # it may stop and start again
        with socket.create_server(("127.0.0.1", port)):
            assert listens(port)
        assert not listens(port)


def test_no_port_is_given_twice() -> None:
    ports = [free_port() for _ in range(200)]
    assert len(set(ports)) == len(ports)


def test_one_worker_makes_what_all_share(tmp_path: Path) -> None:
    made, begin = list[Path](), Barrier(4)

    def make(folder: Path) -> Path:
        made.append(folder)
        return folder / "tree"

    def worker(_: int) -> Path:
        begin.wait(60)
        return once(tmp_path, "domain", make)

    with ThreadPoolExecutor(4) as workers:
        found = set(workers.map(worker, range(4)))
    assert made == [tmp_path / "domain"]
    assert found == {tmp_path / "domain" / "tree"}


def test_after_a_failure_the_next_worker_starts_in_an_empty_folder(tmp_path: Path) -> None:
    def fail(folder: Path) -> Path:
        (folder / "half").touch()
        raise RuntimeError("no room")

    def make(folder: Path) -> Path:
        assert list(folder.iterdir()) == []
        return folder

    with pytest.raises(RuntimeError):
        once(tmp_path, "domain", fail)
    assert once(tmp_path, "domain", make) == tmp_path / "domain"
