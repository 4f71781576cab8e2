"""All ways to sign in, the messages of refused sign-ins, and ``check``."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.x509.oid import NameOID

from tests.connectors.entra.tenants import same, source_of
from tests.fakes.graph import ALL_ROLES, CLIENT, SECRET, TENANT, Graph
from usersyncd.errors import ConfigError, SourceError
from usersyncd.testing import fold, read

NO_SECRET: dict[str, Any] = {"client_secret": None}


def certificate(folder: Path, *, days: int = 30, passphrase: str | None = None) -> str:
    """Write ``certificate.pem`` with its key; return the certificate alone, as for the upload."""
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "usersyncd")])
    now = datetime.now(UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=60))
        .not_valid_after(now + timedelta(days=days))
        .sign(key, hashes.SHA256())
    )
    encryption: serialization.KeySerializationEncryption = serialization.NoEncryption()
    if passphrase:
        encryption = serialization.BestAvailableEncryption(passphrase.encode())
    text = made.public_bytes(serialization.Encoding.PEM).decode()
    private = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, encryption)
    (folder / "certificate.pem").write_text(private.decode() + text)
    return text


async def test_with_a_secret(graph: Graph, tmp_path: Path) -> None:
    assert same(fold((await read(source_of(graph, tmp_path))).items), graph.tenant)
    assert graph.signin.issued == 1


@pytest.mark.parametrize("passphrase", [None, "open sesame"])
async def test_with_a_certificate(graph: Graph, tmp_path: Path, passphrase: str | None) -> None:
    graph.signin.app.certificate = certificate(tmp_path, passphrase=passphrase)
    options: dict[str, Any] = {**NO_SECRET, "certificate": {"file": "certificate.pem"}}
    if passphrase:
        (tmp_path / "passphrase").write_text(passphrase)
        options["passphrase"] = {"file": "passphrase"}
    assert same(fold((await read(source_of(graph, tmp_path, **options))).items), graph.tenant)


async def test_with_a_certificate_that_is_not_registered(graph: Graph, tmp_path: Path) -> None:
    graph.signin.app.certificate = certificate(tmp_path)
    certificate(tmp_path)
    with pytest.raises(SourceError, match="AADSTS700027") as raised:
        await read(source_of(graph, tmp_path, **NO_SECRET, certificate={"file": "certificate.pem"}))
    assert "upload the certificate" in str(raised.value)


async def test_with_a_certificate_that_has_expired(graph: Graph, tmp_path: Path) -> None:
    certificate(tmp_path, days=-1)
    with pytest.raises(SourceError, match=rf"the certificate of the application {CLIENT} expired on \d{{4}}-\d\d-\d\d"):
        await read(source_of(graph, tmp_path, **NO_SECRET, certificate={"file": "certificate.pem"}))


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        (lambda text: text[: text.index("-----BEGIN CERTIFICATE")], "has no certificate in PEM"),
        (lambda text: text[text.index("-----BEGIN CERTIFICATE") :], "has no private key in PEM"),
        (lambda text: "nothing of the kind", "has no certificate in PEM"),
        (lambda text: re.sub(r"(CERTIFICATE-----\n).{64}", r"\1AAAA", text), "cannot be read"),
        (lambda text: re.sub(r"(PRIVATE KEY-----\n).{64}", r"\1AAAA", text), "cannot be read"),
    ],
)
async def test_with_text_that_is_not_a_certificate(
    graph: Graph, tmp_path: Path, spoil: Callable[[str], str], words: str
) -> None:
    certificate(tmp_path)
    file = tmp_path / "certificate.pem"
    file.write_text(spoil(file.read_text()))
    with pytest.raises(SourceError, match=words):
        await read(source_of(graph, tmp_path, **NO_SECRET, certificate={"file": "certificate.pem"}))


async def test_with_a_wrong_passphrase(graph: Graph, tmp_path: Path) -> None:
    certificate(tmp_path, passphrase="right")
    (tmp_path / "passphrase").write_text("confidential")
    options = {**NO_SECRET, "certificate": {"file": "certificate.pem"}, "passphrase": {"file": "passphrase"}}
    with pytest.raises(SourceError, match="cannot be read") as raised:
        await read(source_of(graph, tmp_path, **options))
    assert "confidential" not in str(raised.value)


async def test_with_the_token_of_a_workload(graph: Graph, tmp_path: Path) -> None:
    (tmp_path / "token").write_text("a.federated.token")
    graph.signin.app.assertions.add("a.federated.token")
    source = source_of(graph, tmp_path, **NO_SECRET, workload_identity={"file": "token"})
    assert same(fold((await read(source)).items), graph.tenant)


async def test_the_token_of_a_workload_is_read_for_each_sign_in(graph: Graph, tmp_path: Path) -> None:
    (tmp_path / "token").write_text("first")
    graph.signin.app.assertions.add("first")
    source = source_of(graph, tmp_path, **NO_SECRET, workload_identity={"file": "token"})
    turned = False

    def turn() -> None:
        nonlocal turned
        if not turned and len(graph.requests) == 5:
            turned = True
            graph.signin.revoke()
            graph.signin.app.assertions = {"second"}
            (tmp_path / "token").write_text("second")

    graph.between = turn
    assert same(fold((await read(source)).items), graph.tenant)
    assert graph.signin.issued == 2


@pytest.mark.parametrize("identity", [{}, {"client_id": "77777777-0000-0000-0000-000000000000"}])
@pytest.mark.parametrize("application", [None, CLIENT])
async def test_with_the_managed_identity_of_the_machine(
    graph: Graph, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, identity: dict[str, str], application: str | None
) -> None:
    monkeypatch.setenv("AZURE_POD_IDENTITY_AUTHORITY_HOST", graph.url)
    options = {**NO_SECRET, "client_id": application, "managed_identity": identity}
    assert same(fold((await read(source_of(graph, tmp_path, **options))).items), graph.tenant)


@pytest.mark.parametrize(
    ("spoil", "options", "says", "remedy"),
    [
        (
            lambda graph: setattr(graph.signin.app, "secret", "other"),
            {},
            "AADSTS7000215: Invalid client secret",
            "not its id",
        ),
        (
            lambda graph: setattr(graph.signin.app, "secret_expired", True),
            {},
            "AADSTS7000222",
            "create a new client secret",
        ),
        (
            lambda graph: None,
            {"client_id": "nobody"},
            "AADSTS700016: Application with identifier 'nobody'",
            "correct client_id",
        ),
        (lambda graph: None, {"tenant": "elsewhere.example"}, "AADSTS90002: Tenant not found", "correct tenant"),
    ],
)
async def test_a_refused_sign_in_gives_the_reason(
    graph: Graph, tmp_path: Path, spoil: Callable[[Graph], object], options: dict[str, Any], says: str, remedy: str
) -> None:
    spoil(graph)
    for attempt in (lambda source: read(source), lambda source: source.check()):
        with pytest.raises(SourceError) as raised:
            await attempt(source_of(graph, tmp_path, **options))
        assert says in raised.value.message
        assert remedy in (raised.value.remedy or "")
        assert SECRET not in str(raised.value)
        assert "Trace ID" not in str(raised.value)


async def test_a_missing_secret(graph: Graph, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="does not exist"):
        await read(source_of(graph, tmp_path, client_secret={"file": "missing"}))


# ---- check


async def test_check_describes_the_tenant(graph: Graph, tmp_path: Path) -> None:
    assert await source_of(graph, tmp_path).check() == [
        f"tenant {TENANT}, at {graph.url}",
        f"signed in as application {CLIENT}, with a client secret",
        "permissions: GroupMember.Read.All, User.Read.All",
        "the tenant has 60 users and 8 groups",
    ]
    graph.signin.app.roles = ALL_ROLES | {"Organization.Read.All"}
    lines = await source_of(graph, tmp_path, users={"filter": "accountEnabled eq true"}).check()
    assert lines[0] == f"tenant {TENANT} (Acme), at {graph.url}"
    assert lines[-2:] == [
        "users: only where accountEnabled eq true",
        "every pull is complete: delta queries do not support such conditions",
    ]


@pytest.mark.parametrize(
    ("roles", "missing"),
    [
        (set(), "User.Read.All, GroupMember.Read.All"),
        ({"User.Read.All"}, "GroupMember.Read.All"),
        ({"GroupMember.Read.All"}, "User.Read.All"),
    ],
)
async def test_check_names_each_missing_permission(graph: Graph, tmp_path: Path, roles: set[str], missing: str) -> None:
    graph.signin.app.roles = frozenset(roles)
    with pytest.raises(SourceError, match="Authorization_RequestDenied: Insufficient privileges") as raised:
        await source_of(graph, tmp_path).check()
    assert f"grant the application permission {missing} of Microsoft Graph to the application {CLIENT}" in str(
        raised.value
    )
    with pytest.raises(SourceError, match="Insufficient privileges"):
        await read(source_of(graph, tmp_path))


async def test_check_requires_the_permission_for_hidden_members(graph: Graph, tmp_path: Path) -> None:
    with pytest.raises(SourceError, match=r"Member\.Read\.Hidden"):
        await source_of(graph, tmp_path, groups={"hidden": True}).check()
