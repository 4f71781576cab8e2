"""Signing in with a password, in which any printable character may stand; on Active Directory by other names, too."""

from __future__ import annotations

from collections.abc import Callable

import pytest

pytest.importorskip("ldap", reason="python-ldap is not installed (the extra ldap)")

from tests.connectors.ldap.directory import Directory
from tests.connectors.ldap.domain import Domain
from tests.servers.samba import REALM
from tests.servers.slapd import BASE, person
from tests.servers.text import PRINTABLE
from usersyncd.errors import SourceError


@pytest.mark.parametrize("mark", ["", "\ufeff"], ids=["", "byte order mark"])
async def test_a_password_may_have_any_printable_character(serve: Callable[..., Directory], mark: str) -> None:
    directory = serve(person(0))
    directory.server.modify(directory.server.reader_dn, {"userPassword": PRINTABLE})
    (directory.folder / "password").write_text(f"{mark}{PRINTABLE}\n")
    assert set((await directory.pull()).users) == {"u0"}


async def test_a_password_that_must_be_changed(serve: Callable[..., Directory]) -> None:
    """slapo-ppolicy demands it once an administrator has set the password."""
    policy = f"dn: cn=policy,{BASE}\nobjectClass: device\nobjectClass: pwdPolicy\npwdAttribute: userPassword\n"
    policy += "pwdMustChange: TRUE\n\n"
    overlay = f"moduleload ppolicy\noverlay ppolicy\nppolicy_default cn=policy,{BASE}\n"
    directory = serve(person(0), policy, database=overlay)
    reader = directory.server.reader_dn
    directory.server.modify(reader, {"pwdReset": "TRUE"})
    with pytest.raises(SourceError, match=f"the password of {reader} must be changed") as raised:
        await directory.pull()
    assert f"ldappasswd -H {directory.server.url} -D '{reader}' -W -S" in str(raised.value.remedy)
    directory.server.modify(reader, {"pwdReset": []})
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
    assert "only Active Directory accepts user@domain" in str(raised.value.remedy)
