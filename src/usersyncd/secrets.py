"""Opens secrets: systemd credentials, files, environment variables, entries of the system's keyring.

Errors and log lines never contain the secret, only the reference to it.
"""

from __future__ import annotations

import io
import os
import stat
from pathlib import Path
from typing import Any

from usersyncd.errors import ConfigError
from usersyncd.files import read_file
from usersyncd.plugin import Secret

_warned: set[Path] = set()
"""World-readable files for which the warning was already logged. Every run opens them again, and must not repeat it."""


def open_secret(secret: Secret, *, folder: Path, owner: str, log: Any) -> str:
    """Return the secret without a trailing newline and a byte order mark. ``owner`` is the directory or target that
    needs it, for messages; relative files are relative to ``folder``; ``log`` gets one warning when everybody can read
    the file.

    Raises ConfigError, with the reference, when the secret cannot be opened or is empty.
    """
    if secret.credential is not None:
        reference, text = f"credential {secret.credential}", _credential(secret.credential, owner)
    elif secret.file is not None:
        reference, text = f"file {secret.file}", _file(folder / secret.file, secret.file, owner, log)
    elif secret.env is not None:
        reference, text = f"environment variable {secret.env}", _environment(secret.env, owner)
    else:
        reference, text = f"keyring entry {secret.keyring}", _keyring(secret.keyring or "", owner)
    text = text.removesuffix("\r\n") if text.endswith("\r\n") else text.removesuffix("\n")
    if not text:
        # An LDAP server accepts a bind with an empty password as an unauthenticated one (RFC 4513, section 5.1.2).
        raise ConfigError(f"{owner}: the secret in {reference} is empty", "write the secret there")
    return text


def _credential(name: str, owner: str) -> str:
    what = f"{owner}: the credential {name} cannot be opened"
    remedy = f"add LoadCredential={name}:/path/to/the/secret to the systemd unit; without systemd use {{file: PATH}}"
    if "/" in name or name in {"", ".", ".."}:
        raise ConfigError(f"{what}: this is not the name of a credential", remedy)
    folder = os.environ.get("CREDENTIALS_DIRECTORY")
    if not folder:
        raise ConfigError(f"{what}: $CREDENTIALS_DIRECTORY is not set", remedy)
    return _read(Path(folder) / name, what, remedy)


def _file(path: Path, reference: str, owner: str, log: Any) -> str:
    text = _read(
        path,
        f"{owner}: the secret in file {reference} cannot be opened",
        f"write the secret to {path}, readable by the account that runs usersyncd and by nobody else",
    )
    if not path.stat().st_mode & stat.S_IROTH:
        _warned.discard(path)
    elif path not in _warned:
        _warned.add(path)
        log.warning(
            "everybody on this machine can read a secret",
            event_name="secret.readable",
            file=str(path),
            remedy=f"chmod o-r {path}",
        )
    return text


def _read(path: Path, what: str, remedy: str) -> str:
    try:
        # Editors on Windows write a byte order mark and other line ends.
        return io.TextIOWrapper(io.BytesIO(read_file(path)), "utf-8-sig").read()
    except FileNotFoundError:
        raise ConfigError(f"{what}: the file {path} does not exist", remedy) from None
    except UnicodeDecodeError:
        reason = "it is not UTF-8"
    except (OSError, ValueError) as error:
        reason = (error.strerror or "") if isinstance(error, OSError) else "this is not a valid file name"
    # Outside of the except block: this error must not carry the decoding error, which contains the secret.
    raise ConfigError(f"{what}: {reason}", remedy)


def _environment(name: str, owner: str) -> str:
    text = os.environ.get(name)
    if text is None:
        raise ConfigError(
            f"{owner}: the environment variable {name} is not set", f"set {name} for the account that runs usersyncd"
        )
    return text


def _keyring(reference: str, owner: str) -> str:
    what = f"{owner}: the keyring entry {reference} cannot be opened"
    service, _, name = reference.rpartition("/")
    if not service or not name:
        raise ConfigError(f"{what}: a keyring entry is named SERVICE/NAME", "write {keyring: SERVICE/NAME}")
    try:
        import keyring
        from keyring.errors import KeyringError
    except ImportError:
        raise ConfigError(f"{what}: the library keyring is not installed", "pip install 'usersyncd[keyring]'") from None
    try:
        text = keyring.get_password(service, name)
    except KeyringError as error:
        raise ConfigError(f"{what}: {error}", "unlock the keyring, or use {credential: NAME} or {file: PATH}") from None
    if text is None:
        raise ConfigError(f"{what}: it does not exist", f"store it with `keyring set {service} {name}`")
    return str(text)
