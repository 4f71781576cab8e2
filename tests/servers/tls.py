"""Certificates for the servers of the tests: a private CA, and a certificate for 127.0.0.1 that it signed."""

from __future__ import annotations

import subprocess
from dataclasses import dataclass
from pathlib import Path

from tests.servers.process import program


@dataclass(frozen=True)
class Certificates:
    """Paths of PEM files. ``stranger`` is another CA, which signed nothing that a server shows."""

    ca: Path
    certificate: Path
    key: Path
    stranger: Path


def certificates(folder: Path, names: str = "IP:127.0.0.1") -> Certificates:
    """Make them in ``folder``; ``names`` are the certificate's subject alternative names, as openssl writes them.

    The server's name is an IP address: libldap replaces ``localhost`` by the host's own name before it compares.
    """
    folder.mkdir(parents=True, exist_ok=True)
    ca, ca_key = _authority(folder, "ca")
    stranger, _ = _authority(folder, "stranger")
    key, request, certificate = (folder / name for name in ("server.key", "server.csr", "server.pem"))
    extensions = folder / "server.ext"
    extensions.write_text(f"subjectAltName={names}\nextendedKeyUsage=serverAuth\n")
    _openssl("req", "-new", *_NEW_KEY, "-keyout", key, "-out", request, "-subj", "/CN=usersyncd test server")
    _openssl("x509", "-req", "-in", request, "-CA", ca, "-CAkey", ca_key, "-CAcreateserial", "-days", "30",
             "-extfile", extensions, "-out", certificate)  # fmt: skip
    return Certificates(ca, certificate, key, stranger)


_NEW_KEY = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes")


def _authority(folder: Path, name: str) -> tuple[Path, Path]:
    certificate, key = folder / f"{name}.pem", folder / f"{name}.key"
    _openssl("req", "-x509", *_NEW_KEY, "-keyout", key, "-out", certificate, "-days", "30",
             "-subj", f"/CN=usersyncd test {name}", "-addext", "keyUsage=critical,keyCertSign,cRLSign")  # fmt: skip
    return certificate, key


def _openssl(*arguments: str | Path) -> None:
    command = [program("openssl", "openssl"), *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise RuntimeError(f"openssl {arguments[0]} failed:\n{done.stderr}")
