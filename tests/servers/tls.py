"""Certificates for the servers of the tests: a private CA, and a certificate for 127.0.0.1 that it signed."""

from __future__ import annotations

import subprocess
from dataclasses import dataclass
from pathlib import Path

from tests.servers.process import program


@dataclass(frozen=True)
class Certificates:
    """Paths of PEM files. ``stranger`` is another CA, which signed nothing that a server shows; ``client`` is the
    certificate of somebody called sync."""

    ca: Path
    certificate: Path
    key: Path
    stranger: Path
    client: Path
    client_key: Path


def certificates(folder: Path, names: str = "IP:127.0.0.1", dates: tuple[str, str] | None = None) -> Certificates:
    """Make them in ``folder``; ``names`` are the certificate's subject alternative names, ``dates`` when it begins and
    ends to be valid (None: now, and in 30 days), as openssl writes them.

    The server's name is an IP address: libldap replaces ``localhost`` by the host's own name before it compares.
    """
    folder.mkdir(parents=True, exist_ok=True)
    ca = _authority(folder, "ca")
    stranger = _authority(folder, "stranger")
    server = _signed(folder, "server", ca, f"subjectAltName={names}\nextendedKeyUsage=serverAuth\n", dates)
    client = _signed(folder, "sync", ca, "extendedKeyUsage=clientAuth\n")
    return Certificates(ca, *server, stranger, *client)


_NEW_KEY = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes")


def _authority(folder: Path, name: str) -> Path:
    certificate, key = folder / f"{name}.pem", folder / f"{name}.key.pem"
    _openssl("req", "-x509", *_NEW_KEY, "-keyout", key, "-out", certificate, "-days", "30",
             "-subj", f"/CN=usersyncd test {name}", "-addext", "keyUsage=critical,keyCertSign,cRLSign")  # fmt: skip
    return certificate


_REGISTER = """\
[ca]
default_ca = here
[here]
database = {folder}/index.txt
serial = {folder}/serial
new_certs_dir = {folder}
default_md = sha256
policy = any
[any]
commonName = supplied
"""


def _signed(
    folder: Path, name: str, ca: Path, extensions: str, dates: tuple[str, str] | None = None
) -> tuple[Path, Path]:
    key, request, certificate = (folder / f"{name}.{end}" for end in ("key", "csr", "pem"))
    (folder / f"{name}.ext").write_text(extensions)
    _openssl("req", "-new", *_NEW_KEY, "-keyout", key, "-out", request, "-subj", f"/CN={name}")
    if dates is not None:
        (folder / "ca.cnf").write_text(_REGISTER.format(folder=folder))
        (folder / "index.txt").touch()
        (folder / "serial").write_text("01\n")
        _openssl("ca", "-batch", "-notext", "-config", folder / "ca.cnf", "-cert", ca, "-keyfile",
                 ca.with_suffix(".key.pem"), "-startdate", dates[0], "-enddate", dates[1], "-in", request,
                 "-extfile", folder / f"{name}.ext", "-out", certificate)  # fmt: skip
        return certificate, key
    _openssl("x509", "-req", "-in", request, "-CA", ca, "-CAkey", ca.with_suffix(".key.pem"), "-CAcreateserial",
             "-days", "30", "-extfile", folder / f"{name}.ext", "-out", certificate)  # fmt: skip
    return certificate, key


def _openssl(*arguments: str | Path) -> None:
    command = [program("openssl", "openssl"), *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise RuntimeError(f"openssl {arguments[0]} failed:\n{done.stderr}")
