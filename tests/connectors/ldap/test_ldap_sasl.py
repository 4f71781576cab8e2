"""Signing in without a password: by a certificate, by a socket of the machine, by Kerberos."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("ldap", reason="python-ldap is not installed (the extra ldap)")

from tests.connectors.ldap.directory import Directory
from tests.connectors.ldap.domain import Domain
from tests.servers.process import program
from tests.servers.samba import PASSWORD, REALM
from tests.servers.slapd import person
from tests.servers.tls import Certificates
from usersyncd.errors import SourceError
from usersyncd_ldap import LdapSource

Serve = Callable[..., Directory]


def unsigned(directory: Directory, **options: Any) -> Directory:
    directory.options |= {"bind_dn": None, "password": None, "sasl": "external", **options}
    return directory


@pytest.mark.parametrize("how", ["ldaps", "StartTLS"])
async def test_sign_in_by_certificate(serve: Serve, tls: Certificates, how: str) -> None:
    directory = serve(person(0), tls=tls)
    own = {"ca_file": str(tls.ca), "certificate": str(tls.client), "key": str(tls.client_key)}
    url = directory.server.ldaps_url if how == "ldaps" else directory.server.url
    unsigned(directory, url=url, tls={**own, "start_tls": how == "StartTLS"})
    assert set((await directory.pull()).users) == {"u0"}
    assert any(
        line.startswith(f"signed in as {directory.server.reader_dn}, by {how}") for line in await directory.check()
    )


@pytest.mark.parametrize("how", ["ldaps", "StartTLS"])
@pytest.mark.parametrize("versions", ["NORMAL", "NORMAL:-VERS-TLS1.3"], ids=["1.3", "1.2"])
async def test_a_server_that_demands_a_certificate_in_the_handshake(
    serve: Serve, tls: Certificates, how: str, versions: str
) -> None:
    directory = serve(person(0), tls=tls)
    server, settings = directory.server, directory.server.folder / "slapd.conf"
    server.stop()
    demand = f"TLSVerifyClient demand\nTLSCipherSuite {versions}"
    settings.write_text(settings.read_text().replace("TLSVerifyClient try", demand))
    server.run()
    own = {"ca_file": str(tls.ca), "certificate": str(tls.client), "key": str(tls.client_key)}
    url = server.ldaps_url if how == "ldaps" else server.url
    unsigned(directory, url=url, tls={**own, "start_tls": how == "StartTLS"})
    assert set((await directory.pull()).users) == {"u0"}


async def test_sign_in_by_unix_socket(serve: Serve) -> None:
    directory = unsigned(serve(person(0)))
    directory.options["url"] = directory.server.ldapi_url
    assert set((await directory.pull()).users) == {"u0"}
    lines = await directory.check()
    assert f"signed in as {directory.server.reader_dn}, over a local socket" in lines


async def test_a_password_may_be_given_over_a_socket(serve: Serve) -> None:
    directory = serve(person(0))
    assert set((await directory.pull(url=directory.server.ldapi_url)).users) == {"u0"}


async def test_a_missing_socket_is_an_error(serve: Serve) -> None:
    directory = unsigned(serve(person(0)), url="ldapi://%2Fno%2Fsuch%2Fsocket")
    with pytest.raises(SourceError, match="no LDAP server answers"):
        await directory.pull()


async def test_a_missing_certificate_is_an_error(serve: Serve, tls: Certificates) -> None:
    directory = serve(person(0), tls=tls)
    own = {"ca_file": str(tls.ca), "certificate": "missing.pem", "key": str(tls.client_key)}
    unsigned(directory, url=directory.server.ldaps_url, tls=own)
    with pytest.raises(SourceError, match=r"tls\.certificate .*missing\.pem cannot be used: No such file"):
        await directory.pull()


async def test_a_server_without_the_mechanism_is_an_error(serve: Serve, tls: Certificates) -> None:
    own = {"ca_file": str(tls.ca), "certificate": str(tls.client), "key": str(tls.client_key)}
    directory = unsigned(serve(person(0)), tls=own)  # not secured, so nobody sees the certificate
    with pytest.raises(SourceError, match="signing in as the account of the certificate or socket failed"):
        await directory.pull()


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"sasl": "external"}, "needs a certificate"),
        ({"sasl": "gssapi", "bind_dn": "cn=a", "password": {"env": "X"}}, "without bind_dn and password"),
        ({"tls": {"certificate": "a.pem"}}, "belong together"),
        ({"sasl": "plain"}, "'external' or 'gssapi'"),
        ({"url": "ldaps://dc1:3269"}, "global catalog"),
    ],
)
def test_invalid_options(options: dict[str, Any], says: str) -> None:
    with pytest.raises(ValueError, match=says):
        LdapSource.Options.model_validate({"url": "ldaps://dc1", **options})


@pytest.fixture
def ticket(domain: Domain, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Domain:
    """A Kerberos ticket of the account sync in the environment; the domain controller is known by its address."""
    server = domain.server
    (tmp_path / "krb5.conf").write_text(
        f"[libdefaults]\ndefault_realm = {REALM}\ndns_canonicalize_hostname = false\nrdns = false\n"
        f"dns_lookup_kdc = false\nudp_preference_limit = 1\n[realms]\n{REALM} = {{\n kdc = {server.address}\n}}\n"
    )
    monkeypatch.setenv("KRB5_CONFIG", str(tmp_path / "krb5.conf"))
    monkeypatch.setenv("KRB5CCNAME", f"FILE:{tmp_path}/ticket")
    server.connect().modify_s(
        f"CN=DC1,OU=Domain Controllers,{server.base}",
        [(0, "servicePrincipalName", [f"ldap/{server.address}".encode()])],
    )
    kinit = program("kinit", "krb5-user")
    done = subprocess.run(
        [kinit, f"sync@{REALM}"], input=PASSWORD, capture_output=True, text=True, check=False, env={**os.environ}
    )
    assert done.returncode == 0, done.stderr
    domain.options |= {"bind_dn": None, "password": None, "sasl": "gssapi"}
    return domain


async def test_sign_in_by_kerberos(ticket: Domain) -> None:
    ticket.server.add_user("ada")
    ticket.options |= {"url": f"ldap://{ticket.server.address}", "tls": {}}
    assert (await ticket.follow()).has_user("ada")
    lines = await ticket.check()
    assert "signed in as the account of the Kerberos ticket, encrypted by Kerberos" in lines  # Samba does not tell
    assert any("strategy dirsync" in line for line in lines)


async def test_a_server_that_wants_kerberos_to_encrypt(ticket: Domain) -> None:
    with pytest.raises(SourceError, match="Sign or Seal are required") as raised:
        await ticket.follow()
    assert "ldap:// url without TLS" in str(raised.value.remedy)


async def test_a_missing_kerberos_ticket_is_an_error(ticket: Domain, tmp_path: Path) -> None:
    (tmp_path / "ticket").unlink()
    with pytest.raises(SourceError, match="signing in as the account of the Kerberos ticket failed") as raised:
        await ticket.follow()
    assert "KRB5CCNAME" in str(raised.value.remedy)
