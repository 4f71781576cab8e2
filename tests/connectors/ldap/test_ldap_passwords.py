"""Signing in with a password, in which any printable character may stand; on Active Directory by other names, too."""

from __future__ import annotations

from collections.abc import Callable

import pytest

pytest.importorskip("ldap", reason="python-ldap is not installed (the extra ldap)")

from tests.connectors.ldap.directory import Directory
from tests.connectors.ldap.domain import Domain
from tests.servers.samba import REALM
from tests.servers.slapd import person
from tests.servers.text import PRINTABLE
from usersyncd.errors import SourceError


@pytest.mark.parametrize("mark", ["", "\ufeff"], ids=["", "byte order mark"])
async def test_every_printable_character(serve: Callable[..., Directory], mark: str) -> None:
    directory = serve(person(0))
    directory.server.modify(directory.server.reader_dn, {"userPassword": PRINTABLE})
    (directory.folder / "password").write_text(f"{mark}{PRINTABLE}\n")
    assert set((await directory.pull()).users) == {"u0"}


async def test_active_directory_takes_other_names_of_an_account(domain: Domain) -> None:
    for name in (f"reader@{REALM.lower()}", "CORP\\reader"):
        lines = await domain.check(bind_dn=name)
        assert any(line.startswith("signed in as") and "reader" in line for line in lines), lines


async def test_other_servers_take_a_dn_only(serve: Callable[..., Directory]) -> None:
    directory = serve(person(0))
    with pytest.raises(SourceError) as raised:
        await directory.check(bind_dn="reader@acme.example")
    assert "signing in as reader@acme.example failed" in raised.value.message
    assert "only Active Directory takes user@domain" in str(raised.value.remedy)
