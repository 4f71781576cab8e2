"""The ldap connector keeps the promises of a source, on a real OpenLDAP."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("ldap", reason="python-ldap is not installed (the extra ldap)")

from tests.servers.slapd import Slapd, company
from usersyncd.testing import SourceContract
from usersyncd_ldap import LdapSource


class TestLdap(SourceContract):
    source = LdapSource
    secrets = (Slapd.reader_password,)

    @pytest.fixture
    def server(self, tmp_path: Path) -> Iterator[Slapd]:
        server = Slapd.start(tmp_path / "slapd", company(people=30, groups=4, memberships=25))
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
