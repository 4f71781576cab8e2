"""Sets the TLS files: CAs, client certificate and key. They are checked first, because libldap gives no reason for
errors."""

from __future__ import annotations

import ssl
from pathlib import Path

import ldap
import ldap.ldapobject

from usersyncd.errors import SourceError
from usersyncd_ldap import sockets
from usersyncd_ldap.faults import error_message
from usersyncd_ldap.options import Tls


def trust(connection: ldap.ldapobject.SimpleLDAPObject, tls: Tls, folder: Path) -> None:
    """Set the files for a connection. Raises SourceError when they cannot be used."""
    if tls.ca_file is not None:
        authorities = str(folder / tls.ca_file)
        try:
            sockets.check_authorities(authorities)
        except OSError as error:
            problem = f"tls.ca_file {authorities} cannot be used: {error_message(error)}"
            raise SourceError(problem, "name a PEM file of certificates that usersyncd may read") from error
        connection.set_option(ldap.OPT_X_TLS_CACERTFILE, authorities)
    if tls.certificate is not None and tls.key is not None:
        certificate, key = _readable(folder, tls.certificate, "certificate"), _readable(folder, tls.key, "key")
        _fits(certificate, key)
        connection.set_option(ldap.OPT_X_TLS_CERTFILE, certificate)
        connection.set_option(ldap.OPT_X_TLS_KEYFILE, key)
    connection.set_option(ldap.OPT_X_TLS_REQUIRE_CERT, ldap.OPT_X_TLS_DEMAND if tls.verify else ldap.OPT_X_TLS_NEVER)
    try:
        connection.set_option(ldap.OPT_X_TLS_NEWCTX, 0)
    except ValueError as error:
        files = ", ".join(str(folder / name) for name in (tls.ca_file, tls.certificate, tls.key) if name is not None)
        raise SourceError(
            f"libldap cannot set up TLS{f' with {files}' if files else ''}, and does not say why",
            "check that the files are PEM, with a certificate and a key of a common type (RSA or EC)",
        ) from error


def _readable(folder: Path, name: str, option: str) -> str:
    path = folder / name
    try:
        path.open("rb").close()
    except OSError as error:
        problem = f"tls.{option} {path} cannot be used: {error_message(error)}"
        raise SourceError(problem, "name a PEM file that usersyncd may read") from error
    return str(path)


_OTHERS = ("KEY_VALUES_MISMATCH", "KEY_TYPE_MISMATCH")
"""OpenSSL's reasons for a key that does not match the certificate."""


def _fits(certificate: str, key: str) -> None:
    """Check that a certificate and its private key can be used. Raises SourceError."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.set_ciphers("DEFAULT@SECLEVEL=0")  # libldap and the server decide which keys are too short.
    asked: list[str] = []

    def passphrase() -> str:
        asked.append(key)
        return ""

    try:
        context.load_cert_chain(certificate, key, passphrase)
    except (ssl.SSLError, ValueError) as error:
        if asked:
            why, remedy = "the key is encrypted", f"remove the passphrase: openssl pkey -in {key} -out NEW"
        elif isinstance(error, ssl.SSLError) and error.reason in _OTHERS:
            why, remedy = "the key belongs to another certificate", "name the key of this certificate"
        else:
            why, remedy = (
                "one of them is not a PEM file of its type",
                "name a certificate and its private key, both in PEM",
            )
        raise SourceError(f"tls.certificate {certificate} and tls.key {key} cannot be used: {why}", remedy) from error
