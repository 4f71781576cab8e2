"""Fixtures of the ldap tests. Without python-ldap they are skipped, so nothing here may need it before a test does."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

import pytest

from tests.servers.process import REQUIRED
from tests.servers.tls import Certificates, certificates

if TYPE_CHECKING:
    from tests.connectors.ldap.directory import Directory, Directory389
    from tests.connectors.ldap.domain import Domain

if REQUIRED:
    import ldap  # noqa: F401 - then a missing python-ldap is an error


@pytest.fixture(scope="session")
def tls(tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    return certificates(tmp_path_factory.mktemp("certificates"))


@pytest.fixture
def serve(tmp_path: Path) -> Iterator[Callable[..., Directory]]:
    """``serve(*ldif, **how)``: a slapd of the test's own, as a directory that can be pulled."""
    from tests.connectors.ldap.directory import Directory
    from tests.servers.slapd import Slapd

    servers: list[Slapd] = []

    def serve(*ldif: str, **how: Any) -> Directory:
        servers.append(Slapd.start(tmp_path / f"slapd{len(servers)}", ldif, **how))
        return Directory(servers[-1], tmp_path)

    yield serve
    for server in servers:
        server.stop()


@pytest.fixture
def serve389(ds389_tree: Path) -> Iterator[Callable[..., Directory389]]:
    """``serve389(*ldif)``: a 389 Directory Server of the test's own, as a directory that can be pulled."""
    with serving389(ds389_tree) as serve:
        yield serve


@contextmanager
def serving389(tree: Path) -> Iterator[Callable[..., Directory389]]:
    """The same for any scope."""
    from tests.connectors.ldap.directory import Directory389
    from tests.servers.ds389 import Ds389

    with TemporaryDirectory(prefix="ds389-") as folder:
        server = Ds389.start(Path(folder), tree)

        def serve(*ldif: str) -> Directory389:
            server.load(ldif)
            return Directory389(server, Path(folder))

        yield serve
        server.kill()  # stopping takes seconds


@pytest.fixture
def domain(tmp_path: Path, samba_tree: Path) -> Iterator[Domain]:
    """A Samba domain controller of the test's own, as a directory that can be pulled."""
    from tests.connectors.ldap.domain import Domain
    from tests.servers.samba import Samba

    server = Samba.start(tmp_path, samba_tree)
    yield Domain(server, tmp_path)
    server.stop()
