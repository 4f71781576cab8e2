"""The server's certificate is verified, by StartTLS and ldaps alike, unless the admin says otherwise."""

from __future__ import annotations

import socket
import ssl
import subprocess
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("ldap", reason="python-ldap is not installed (the extra ldap)")

import ldap

from tests.connectors.ldap.directory import Directory
from tests.servers.slapd import person
from tests.servers.tls import Certificates, certificates
from usersyncd.errors import SourceError
from usersyncd_ldap import sockets

Serve = Callable[..., Directory]


@pytest.fixture(params=["StartTLS", "ldaps"])
def secured(request: pytest.FixtureRequest, serve: Serve, tls: Certificates) -> Directory:
    return options_for(request.param, serve(person(0), tls=tls))


def options_for(how: str, directory: Directory) -> Directory:
    if how == "ldaps":
        directory.options["url"] = directory.server.ldaps_url
    else:
        directory.options["tls"] = {"start_tls": True}
    return directory


def tls_of(directory: Directory, **more: Any) -> dict[str, Any]:
    return {**directory.options.get("tls", {}), **more}


async def test_a_certificate_of_the_configured_authority_is_accepted(secured: Directory, tls: Certificates) -> None:
    options = tls_of(secured, ca_file=str(tls.ca))
    assert set((await secured.pull(tls=options)).users) == {"u0"}
    assert any("certificate verified" in line for line in await secured.check(tls=options))


async def test_the_authority_is_found_beside_the_configuration(secured: Directory, tls: Certificates) -> None:
    (secured.folder / "ca.pem").write_bytes(tls.ca.read_bytes())
    assert set((await secured.pull(tls=tls_of(secured, ca_file="ca.pem"))).users) == {"u0"}


async def test_a_certificate_of_another_authority_is_refused(secured: Directory, tls: Certificates) -> None:
    with pytest.raises(SourceError, match="certificate is not trusted") as raised:
        await secured.pull(tls=tls_of(secured, ca_file=str(tls.stranger)))
    assert "ca_file" in str(raised.value.remedy)


STRANGERS: dict[str, dict[str, Any]] = {
    "the system's authorities": {},
    "another authority": {"ca_file": "stranger"},
    "said once more": {"verify": True},
    "a password in plain text": {"plaintext": True},
    "a certificate of our own": {"certificate": "client", "key": "client_key"},
}
"""Options of ``tls``, none of which makes the server's certificate a trusted one. Files are those of Certificates."""


@pytest.fixture
def careless() -> Iterator[None]:
    """The machine's ldap.conf switches verification off."""
    ldap.set_option(ldap.OPT_X_TLS_REQUIRE_CERT, ldap.OPT_X_TLS_NEVER)
    yield
    ldap.set_option(ldap.OPT_X_TLS_REQUIRE_CERT, ldap.OPT_X_TLS_DEMAND)


@pytest.mark.usefixtures("careless")
async def test_no_option_or_url_spelling_skips_verification(serve: Serve, tls: Certificates) -> None:
    directory = serve(person(0), tls=tls)
    plain, secure = directory.server.url, directory.server.ldaps_url
    spelled: list[tuple[str, dict[str, Any]]] = [
        (secure.replace("ldaps", scheme), {}) for scheme in ("ldaps", "LDAPS", "Ldaps")
    ]
    spelled += [(plain.replace("ldap", scheme), {"start_tls": True}) for scheme in ("ldap", "LDAP")]
    for name, given in STRANGERS.items():
        options = {key: str(getattr(tls, value)) if isinstance(value, str) else value for key, value in given.items()}
        for url, secured_by in spelled:
            said = await refusal(directory, url=url, tls={**secured_by, **options})
            assert "certificate is not trusted" in said, (name, url)


async def refusal(directory: Directory, **options: Any) -> str:
    try:
        await directory.pull(**options)
    except SourceError as error:
        return str(error)
    return "nothing was refused"


async def test_a_scheme_in_capitals_is_the_same_scheme(serve: Serve, tls: Certificates) -> None:
    directory = serve(person(0), tls=tls)
    url = directory.server.ldaps_url.replace("ldaps", "LDAPS")
    lines = await directory.check(url=url, tls={"ca_file": str(tls.ca)})
    assert any("by ldaps, the certificate verified" in line for line in lines)


async def test_the_server_name_is_sent_in_the_handshake(tls: Certificates) -> None:
    """Many names may be behind one address: what stands before them resets a connection that names none (RFC 6066)."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(tls.certificate, tls.key)
    named: list[str] = []
    context.sni_callback = lambda _connection, name, _context: named.append(name)
    with socket.create_server(("127.0.0.1", 0)) as server, ThreadPoolExecutor() as pool:
        answered = pool.submit(_shake_hands, server, context)
        sockets.check_handshake("localhost", server.getsockname()[1], 5)
        answered.result()
    assert named == ["localhost"]


def _shake_hands(server: socket.socket, context: ssl.SSLContext) -> None:
    connection, _ = server.accept()
    context.wrap_socket(connection, server_side=True).close()


async def test_a_certificate_of_an_unknown_authority_is_refused(secured: Directory) -> None:
    with pytest.raises(SourceError, match=r"certificate|TLS"):
        await secured.pull()


async def test_verification_can_be_switched_off(secured: Directory) -> None:
    options = tls_of(secured, verify=False)
    assert set((await secured.pull(tls=options)).users) == {"u0"}
    assert any("NOT verified" in line for line in await secured.check(tls=options))


async def test_verification_switched_off_for_one_directory_stays_on_for_others(secured: Directory) -> None:
    await secured.pull(tls=tls_of(secured, verify=False))
    with pytest.raises(SourceError):
        await secured.pull()


PAST, FUTURE = ("20240101000000Z", "20250301120000Z"), ("20990101000000Z", "21000101000000Z")


@pytest.mark.parametrize("how", ["StartTLS", "ldaps"])
@pytest.mark.parametrize(
    ("made", "says"),
    [
        ({"names": "DNS:elsewhere.example,IP:127.0.0.9"}, "is not for 127.0.0.1, but for elsewhere.example, 127.0.0.9"),
        ({"dates": PAST}, "expired on 2025-03-01 12:00 UTC"),
        ({"dates": FUTURE}, "is not valid yet but from 2099-01-01 00:00 UTC"),
    ],
    ids=["misnamed", "expired", "not yet"],
)
async def test_the_error_names_the_fault_of_the_certificate(
    serve: Serve, tmp_path: Any, how: str, made: dict[str, Any], says: str
) -> None:
    other = certificates(tmp_path / "other", **made)
    directory = options_for(how, serve(person(0), tls=other))
    with pytest.raises(SourceError) as raised:
        await directory.pull(tls=tls_of(directory, ca_file=str(other.ca)))
    assert f"the TLS handshake failed: the server's certificate {says}" in str(raised.value)


async def test_the_error_names_a_scheme_that_does_not_match_the_port(serve: Serve, tls: Certificates) -> None:
    directory = serve(person(0), tls=tls)
    plain, secure = directory.server.url, directory.server.ldaps_url
    directory.options["url"] = secure.replace("ldaps:", "ldap:")
    with pytest.raises(SourceError, match="expects TLS from the start") as raised:
        await directory.pull()
    assert f"write {secure}" in str(raised.value.remedy)
    directory.options["url"] = plain.replace("ldap:", "ldaps:")
    with pytest.raises(SourceError, match=r"port \d+ does not support TLS"):
        await directory.pull(tls={"ca_file": str(tls.ca)})


async def test_a_missing_authority_file_is_an_error(secured: Directory) -> None:
    with pytest.raises(SourceError, match=r"missing\.pem cannot be used: No such file"):
        await secured.pull(tls=tls_of(secured, ca_file="missing.pem"))


async def test_an_authority_file_without_a_certificate_is_an_error(secured: Directory) -> None:
    (secured.folder / "ca.pem").write_text("not a certificate")
    with pytest.raises(SourceError, match=r"ca\.pem"):
        await secured.pull(tls=tls_of(secured, ca_file="ca.pem"))


UNFIT = {
    "the key belongs to another certificate": ("client", "key"),
    "the key is encrypted": ("client", "encrypted"),
    "one of them is not a PEM file of its type": ("client_key", "client"),
    "cannot be used: one of them is not a PEM": ("empty", "client_key"),
    "No such file": ("client", "missing"),
}
"""What is said of a certificate and a key of our own. Files are those of Certificates and of the test."""


def encrypt(key: Path, encrypted: Path) -> None:
    subprocess.run(["openssl", "pkey", "-in", key, "-aes256", "-passout", "pass:x", "-out", encrypted], check=True)


async def test_a_certificate_and_a_key_that_do_not_match_are_an_error(
    serve: Serve, tls: Certificates, tmp_path: Path
) -> None:
    directory = serve(person(0), tls=tls)
    directory.options["url"] = directory.server.ldaps_url
    (tmp_path / "empty").touch()
    encrypt(tls.client_key, tmp_path / "encrypted")
    for says, names in UNFIT.items():
        certificate, key = (str(getattr(tls, name, tmp_path / name)) for name in names)
        said = await refusal(directory, tls={"ca_file": str(tls.ca), "certificate": certificate, "key": key})
        assert says in said
        assert key in said


async def test_a_server_without_tls_gets_no_password(serve: Serve) -> None:
    directory = serve(person(0))
    with pytest.raises(SourceError):
        await directory.pull(tls={"start_tls": True})
