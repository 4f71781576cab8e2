"""The ldap connector fulfils the contract of a source, on OpenLDAP, 389 Directory Server and Active Directory."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("ldap", reason="python-ldap is not installed (the extra ldap)")

from tests.connectors.ldap.conftest import serving389
from tests.connectors.ldap.directory import Directory389
from tests.connectors.ldap.domain import Domain
from tests.servers.samba import PASSWORD, Samba
from tests.servers.slapd import Changes, Slapd, company
from usersyncd.testing import SourceContract
from usersyncd_ldap import LdapSource


class TestOpenLdap(SourceContract):
    source = LdapSource
    secrets = (Slapd.reader_password,)
    changes: Changes = ""

    @pytest.fixture
    def server(self, tmp_path: Path) -> Iterator[Slapd]:
        ldif = company(people=30, groups=4, memberships=25)
        server = Slapd.start(tmp_path / "slapd", ldif, changes=self.changes)
        yield server
        server.stop()

    @pytest.fixture
    def options(self, server: Slapd, tmp_path: Path) -> Mapping[str, Any]:
        (tmp_path / "password").write_text(server.reader_password)
        return {
            "url": server.url,
            "bind_dn": server.reader_dn,
            "password": {"file": "password"},
            "base": server.base,
            "page_size": 10,
        }

    @pytest.fixture
    def break_directory(self, server: Slapd) -> Callable[[], object]:
        return server.kill


class TestOpenLdapWithSyncprov(TestOpenLdap):
    changes: Changes = "present"


class OnOneServer(SourceContract):
    """A server takes seconds to start, and the contract only reads: one is enough, started again after a test that
    killed it."""

    source = LdapSource
    secrets = (Slapd.reader_password,)

    @pytest.fixture
    def options(self, directory: Directory389 | Domain) -> Mapping[str, Any]:
        return directory.options

    @pytest.fixture
    def folder(self, directory: Directory389 | Domain) -> Path:
        return directory.folder

    @pytest.fixture
    def break_directory(self, directory: Directory389 | Domain) -> Iterator[Callable[[], object]]:
        yield directory.server.kill
        directory.server.stop()
        directory.server.run()


class TestDs389(OnOneServer):
    @pytest.fixture(scope="class")
    @classmethod
    def directory(cls, ds389_tree: Path) -> Iterator[Directory389]:
        with serving389(ds389_tree) as serve:
            yield serve(*company(people=30, groups=4, memberships=25))


class TestActiveDirectory(OnOneServer):
    secrets = (PASSWORD,)

    @pytest.fixture(scope="class")
    @classmethod
    def directory(cls, samba_tree: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Domain]:
        folder = tmp_path_factory.mktemp("domain")
        server = Samba.start(folder, samba_tree)
        people = [server.add_user(f"u{number}", title="Engineer") for number in range(4)]
        server.add_group("staff", people)
        yield Domain(server, folder)
        server.stop()
