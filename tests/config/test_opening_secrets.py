"""A secret is opened by its reference; what cannot be opened names the reference and the remedy, never the secret."""

from __future__ import annotations

import os
from pathlib import Path
from typing import ClassVar

import pytest
import structlog
from structlog.testing import capture_logs

from usersyncd.context import RunContext, SourceRunContext, TargetRunContext
from usersyncd.errors import ConfigError
from usersyncd.plugin import Context, Secret


@pytest.fixture
def context(tmp_path: Path) -> Context:
    return RunContext(name="corp", folder=tmp_path, log=structlog.get_logger())


def test_a_systemd_credential(context: Context, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", str(tmp_path))
    for content in ("hunter2\n", "\ufeffhunter2\n"):
        (tmp_path / "bind").write_text(content)
        assert context.secret(Secret(credential="bind")) == "hunter2"


@pytest.mark.parametrize(
    ("content", "secret"),
    [
        ("hunter2", "hunter2"),
        ("hunter2\n\n", "hunter2\n"),
        ("a b \r\n", "a b "),
        ("\nx", "\nx"),
        ("schlüssel\n", "schlüssel"),
        ("\ufeffhunter2\r\n", "hunter2"),
        ("\ufeff\ufeffx", "\ufeffx"),
    ],
)
def test_a_file_loses_one_newline_and_nothing_else(context: Context, tmp_path: Path, content: str, secret: str) -> None:
    (tmp_path / "secret").write_bytes(content.encode())
    (tmp_path / "secret").chmod(0o600)
    with capture_logs() as logs:
        assert context.secret(Secret(file="secret")) == secret
        assert context.secret(Secret(file=str(tmp_path / "secret"))) == secret
    assert logs == []


def test_a_file_that_everybody_can_read_is_warned_about_once(context: Context, tmp_path: Path) -> None:
    """Every run opens the file and does not repeat the warning, unless the file was private in between."""
    file = tmp_path / "secret"
    file.write_text("hunter2")
    said = []
    for mode in (0o644, 0o644, 0o600, 0o644):
        file.chmod(mode)
        with capture_logs() as logs:
            context.secret(Secret(file="secret"))
        said.append([(line["log_level"], line["file"]) for line in logs])
        assert "hunter2" not in str(logs)
    assert said == [[("warning", str(file))], [], [], [("warning", str(file))]]


def test_an_environment_variable(context: Context, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CORP_PASSWORD", "hunter2")
    assert context.secret(Secret(env="CORP_PASSWORD")) == "hunter2"


def test_a_keyring_entry(context: Context) -> None:
    keyring = pytest.importorskip("keyring", reason="the extra keyring is not installed")
    from keyring.backend import KeyringBackend
    from keyring.errors import KeyringLocked

    class Drawer(KeyringBackend):
        """A keyring in memory, as the library lets anybody write one."""

        priority = 1
        entries: ClassVar[dict[tuple[str, str], str]] = {("usersyncd/prod", "bind"): "hunter2"}

        def get_password(self, service: str, username: str) -> str | None:
            if service == "locked":
                raise KeyringLocked("the keyring is locked")
            return self.entries.get((service, username))

        def set_password(self, service: str, username: str, password: str) -> None:
            self.entries[service, username] = password

    before = keyring.get_keyring()
    keyring.set_keyring(Drawer())  # type: ignore[no-untyped-call]
    try:
        assert context.secret(Secret(keyring="usersyncd/prod/bind")) == "hunter2"
        with pytest.raises(ConfigError, match="it does not exist"):
            context.secret(Secret(keyring="usersyncd/other"))
        with pytest.raises(ConfigError, match="the keyring is locked"):
            context.secret(Secret(keyring="locked/x"))
    finally:
        keyring.set_keyring(before)


@pytest.mark.parametrize(
    ("reference", "says"),
    [
        (
            Secret(credential="bind"),
            r"corp: the credential bind cannot be opened: \$CREDENTIALS_DIRECTORY is not set\n.*LoadCredential=bind:",
        ),
        (Secret(credential="../bind"), "not the name of a credential"),
        (
            Secret(file="none"),
            r"the secret in file none cannot be opened: the file .*/none does not exist\n.*readable by the account",
        ),
        (Secret(file="."), "cannot be opened: Is a directory"),
        (Secret(file="/dev/zero"), "cannot be opened: it is a device, not a file"),
        (Secret(file="a\0b"), "this is not a valid file name"),
        (Secret(env="NOT_THERE"), "corp: the environment variable NOT_THERE is not set\n.*set NOT_THERE"),
        (Secret(keyring="nameless"), "named SERVICE/NAME"),
    ],
)
def test_what_cannot_be_opened_names_the_reference_and_the_remedy(
    context: Context, reference: Secret, says: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("CREDENTIALS_DIRECTORY", raising=False)
    with pytest.raises(ConfigError) as caught:
        context.secret(reference)
    assert caught.match(says)


def test_a_credential_that_the_unit_does_not_load(
    context: Context, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", str(tmp_path))
    with pytest.raises(ConfigError, match="/bind does not exist"):
        context.secret(Secret(credential="bind"))


@pytest.mark.parametrize("content", [b"", b"\n", b"\r\n"])
def test_an_empty_secret_is_refused(context: Context, tmp_path: Path, content: bytes) -> None:
    (tmp_path / "secret").write_bytes(content)
    with pytest.raises(ConfigError, match="corp: the secret in file secret is empty"):
        context.secret(Secret(file="secret"))


def test_the_error_does_not_show_a_secret_that_is_not_utf8(context: Context, tmp_path: Path) -> None:
    (tmp_path / "secret").write_bytes(b"hunter2\xff")
    with pytest.raises(ConfigError, match="it is not UTF-8") as caught:
        context.secret(Secret(file="secret"))
    assert caught.value.__context__ is None


async def test_contexts_carry_what_connectors_ask_for(tmp_path: Path) -> None:
    common = {"name": "corp", "folder": tmp_path, "log": structlog.get_logger()}
    source = SourceRunContext(**common, reads={})
    target = TargetRunContext(**common, layouts={}, directories=("hr",))
    assert [item async for item in source.blocking(lambda: range(3))] == [0, 1, 2]
    assert (target.name, target.folder, target.directories) == ("corp", tmp_path, ("hr",))


def test_a_named_pipe_is_refused_without_opening_it(context: Context, tmp_path: Path) -> None:
    """Opening it would block the daemon, with all its directories."""
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(ConfigError, match="pipe cannot be opened: it is a named pipe, not a file"):
        context.secret(Secret(file=str(tmp_path / "pipe")))
