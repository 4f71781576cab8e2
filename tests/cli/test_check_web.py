"""``check`` and ``status`` say which secrets and files of the web service cannot be used."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest

from tests.cli.running import Usersyncd

CONFIG = """\
state: sqlite:///state.db
web:
  listen: 127.0.0.1:8470
  url: https://sync.acme.example
  tokens: [{name: dashboard, secret: {file: dashboard.token}}]
directories:
  acme: {connector: scim, options: {tokens: [{name: entra, secret: {file: entra.token}}]}}
targets:
  news: {connector: events, options: {tokens: [{name: crm, secret: {env: CRM_TOKEN}}]}}
"""
TOKENS = ("dashboard.token", "entra.token")


@pytest.fixture(autouse=True)
def config(usersyncd: Usersyncd, monkeypatch: pytest.MonkeyPatch) -> None:
    Path("usersyncd.yaml").write_text(CONFIG)
    for name in TOKENS:
        Path(name).write_text("x" * 40 + "\n")
    monkeypatch.setenv("CRM_TOKEN", "y" * 40)
    monkeypatch.setattr("usersyncd.cli.web_answers.silent_web_service", lambda _config: None)


def test_nothing_is_said_if_every_secret_can_be_opened(usersyncd: Usersyncd) -> None:
    assert usersyncd("check").out == "usersyncd.yaml is valid. Directories: acme. Targets: news.\n"
    assert "503" not in usersyncd("status").out
    assert json.loads(usersyncd("status", "--json").out)["unopened_secrets"] == []


def test_a_file_of_a_token_that_does_not_exist_is_a_fault_with_its_place(usersyncd: Usersyncd) -> None:
    for name in TOKENS:
        Path(name).unlink()
    ran = usersyncd("check")
    assert ran.code == 2
    assert "usersyncd.yaml:5:38: web.tokens.0.secret: web: the secret in file dashboard.token cannot be" in ran.err
    assert "usersyncd.yaml:7:68: directories.acme.options.tokens.0.secret: acme: the secret in file entra" in ran.err
    assert "every push of acme is answered with 503" in ran.err
    assert "; write the secret to " in ran.err
    assert {one["path"] for one in json.loads(usersyncd("check", "--json").out)["errors"]} == {
        "web.tokens.0.secret", "directories.acme.options.tokens.0.secret",
    }  # fmt: skip


def test_status_is_not_healthy_without_a_token(usersyncd: Usersyncd) -> None:
    Path("entra.token").unlink()
    ran = usersyncd("status", "--exit-code")
    assert ran.code == 1
    assert "every push of acme is answered with 503" in ran.out
    [found] = json.loads(usersyncd("status", "--json").out)["unopened_secrets"]
    assert (found["path"], found["certain"]) == ("directories.acme.options.tokens.0.secret", True)
    assert found["remedy"].startswith("write the secret to ")


def test_a_token_that_can_be_guessed_is_a_fault(usersyncd: Usersyncd) -> None:
    Path("entra.token").write_text("short")
    assert "acme: the token has fewer than 24 characters" in usersyncd("check").err


def test_a_variable_that_only_the_service_may_have_is_not_a_fault(
    usersyncd: Usersyncd, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("CRM_TOKEN")
    ran = usersyncd("check")
    assert ran.code == 0
    assert "news: the environment variable CRM_TOKEN is not set here; if the service does not have it either" in ran.out
    status = usersyncd("status", "--exit-code")
    assert status.code == 0
    assert "every request for the feed of news is answered with 503" in status.out


def test_an_interval_of_a_directory_that_pushes_is_a_fault(usersyncd: Usersyncd) -> None:
    pushes = "{connector: scim, every: 5m, complete: daily at 02:00, "
    Path("usersyncd.yaml").write_text(CONFIG.replace("{connector: scim, ", pushes))
    ran = usersyncd("check")
    assert ran.code == 2
    for place in ("7:27: directories.acme.every", "7:38: directories.acme.complete"):
        assert f"usersyncd.yaml:{place}: has no effect: this directory pushes" in ran.err


# ---- TLS


def pair(name: str) -> None:
    """Write a certificate and its key."""
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes",
         "-keyout", f"{name}.key", "-out", f"{name}.pem", "-days", "2", "-subj", "/CN=sync.acme.example"],
        check=True, capture_output=True,
    )  # fmt: skip


def with_tls(cert: str, key: str) -> None:
    tls = f"  tls: {{cert: {cert}, key: {key}}}\ndirectories:"
    Path("usersyncd.yaml").write_text(CONFIG.replace("directories:", tls, 1))


def test_the_files_of_tls_are_tried(usersyncd: Usersyncd) -> None:
    pair("one")
    with_tls("one.pem", "one.key")
    assert usersyncd("check").code == 0


@pytest.mark.parametrize(
    ("cert", "key", "said"),
    [
        ("none.pem", "one.key", "6:15: web.tls.cert: {}/none.pem cannot be read: No such file or directory"),
        ("one.pem", "none.key", "6:29: web.tls.key: {}/none.key cannot be read: No such file or directory"),
        ("one.key", "one.key", "6:15: web.tls.cert: {}/one.key has no certificate as PEM"),
        ("one.pem", "one.pem", "6:29: web.tls.key: {}/one.pem has no private key as PEM that can be used"),
        ("one.pem", "two.key", "6:29: web.tls.key: {}/two.key is not the key of the certificate in {}/one.pem"),
        ("one.pem", "closed.key", "6:29: web.tls.key: {}/closed.key has a passphrase"),
    ],
)
def test_a_file_of_tls_that_cannot_be_used_is_a_fault(usersyncd: Usersyncd, cert: str, key: str, said: str) -> None:
    pair("one")
    pair("two")
    subprocess.run(
        ["openssl", "pkcs8", "-topk8", "-passout", "pass:secret", "-in", "one.key", "-out", "closed.key"],
        check=True, capture_output=True,
    )  # fmt: skip
    with_tls(cert, key)
    ran = usersyncd("check")
    assert ran.code == 2
    assert said.format(*[Path.cwd()] * 2) in ran.err


def test_credentials_of_the_service_are_not_tried(usersyncd: Usersyncd, monkeypatch: pytest.MonkeyPatch) -> None:
    with_tls("'${CREDENTIALS_DIRECTORY}/cert'", "'${CREDENTIALS_DIRECTORY}/key'")
    monkeypatch.delenv("CREDENTIALS_DIRECTORY", raising=False)
    ran = usersyncd("check")
    assert (ran.code, "web.tls was not tried" in ran.out) == (0, True)
    pair("key")
    Path("cert").write_bytes(Path("key.pem").read_bytes())
    Path("key").write_bytes(Path("key.key").read_bytes())
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", str(Path.cwd()))
    ran = usersyncd("check")
    assert (ran.code, "not tried" in ran.out) == (0, False)


def test_two_tokens_of_one_name_are_a_fault_at_the_tokens(usersyncd: Usersyncd) -> None:
    token = "{name: dashboard, secret: {file: dashboard.token}}"
    Path("usersyncd.yaml").write_text(CONFIG.replace(f"[{token}]", f"[{token}, {token}]"))
    ran = usersyncd("check")
    assert ran.code == 2
    assert "usersyncd.yaml:5:11: web.tokens: two tokens have the name “dashboard”" in ran.err
