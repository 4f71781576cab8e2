"""TLS of the web service: its certificate and its key, which `usersyncd check` tries, too."""

from __future__ import annotations

import ssl
from pathlib import Path

from usersyncd.config.web import TlsFiles
from usersyncd.errors import ConfigError

_NO_CERTIFICATE = "name a PEM file that begins with the certificate of this service, and has its chain after it"
_NO_KEY = "name the PEM file of the private key that belongs to the certificate, without a passphrase"


class TlsFileError(ConfigError):
    """A file of ``web.tls`` cannot be used. ``option``: which one."""

    def __init__(self, option: str, message: str, remedy: str) -> None:
        super().__init__(f"web.tls.{option}: {message}", remedy)
        self.option = option


def server_context(files: TlsFiles) -> ssl.SSLContext:
    """TLS 1.2 and newer, with the ciphers that Python considers secure. Raises TlsFileError."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    _read("cert", files.cert, _NO_CERTIFICATE)
    _read("key", files.key, _NO_KEY)
    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_verify_locations(files.cert)
    except (ssl.SSLError, ValueError):
        raise TlsFileError("cert", f"{files.cert} has no certificate as PEM", _NO_CERTIFICATE) from None
    asked: list[str] = []

    def passphrase() -> str:  # Without it, the terminal would be asked.
        asked.append("for a passphrase")
        return ""

    try:
        context.load_cert_chain(files.cert, files.key, password=passphrase)
    except (OSError, ValueError) as error:
        why = "has a passphrase" if asked else "has no private key as PEM that can be used"
        if getattr(error, "reason", None) == "KEY_VALUES_MISMATCH":
            why = f"is not the key of the certificate in {files.cert}"
        raise TlsFileError("key", f"{files.key} {why}", _NO_KEY) from None
    return context


def _read(option: str, path: Path, remedy: str) -> None:
    try:
        path.read_bytes()
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else "this is not a file name"
        raise TlsFileError(option, f"{path} cannot be read: {reason}", remedy) from None
