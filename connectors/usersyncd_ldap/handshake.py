"""Finds out why a TLS connection fails. libldap's reason depends on the TLS library that it is built with, so a second
connection, without any LDAP message, reads the server's certificate."""

from __future__ import annotations

import ipaddress
import socket
import ssl
from collections.abc import Iterator, Sequence
from contextlib import closing
from datetime import UTC, datetime

from msgspec import Struct
from pyasn1.codec.der import decoder  # type: ignore[import-untyped]
from pyasn1.error import PyAsn1Error  # type: ignore[import-untyped]
from pyasn1_modules import rfc5280  # type: ignore[import-untyped]

FAILED = "the TLS handshake failed"
_START_TLS = b"\x30\x1d\x02\x01\x01\x77\x18\x80\x161.3.6.1.4.1.1466.20037"
"""The extended request that begins TLS (RFC 4511, section 4.14), with message id 1."""
_AUTHORITY = "check that tls.ca_file has the CA that signed the certificate"


class Reason(Struct, frozen=True):
    """The problem and its remedy."""

    text: str
    remedy: str


class Peer(Struct, frozen=True):
    """A server for a TLS handshake. ``authorities``: PEM file of the CAs to trust, None: the system's; ``own``: files
    of the client certificate and key; ``seconds``: the timeout."""

    host: str
    port: int
    start_tls: bool
    authorities: str | None
    own: tuple[str, str] | None
    seconds: int

    def secured(self, *, verify: bool) -> closing[ssl.SSLSocket]:
        """A connection after the handshake. Raises OSError."""
        context = ssl.create_default_context(cafile=self.authorities)
        if not verify:
            context.check_hostname = False
            context.verify_mode = ssl.CERT_NONE
        if self.own is not None:
            context.load_cert_chain(*self.own)
        connection = socket.create_connection((self.host, self.port), self.seconds)
        try:
            if self.start_tls:
                connection.sendall(_START_TLS)
                connection.recv(4096)  # The handshake shows whether it agreed.
            return closing(context.wrap_socket(connection, server_hostname=self.host))
        except BaseException:
            connection.close()
            raise

    def certificate(self) -> bytes | None:
        """The server's certificate, trusted or not; None: the server does not answer a handshake."""
        try:
            with self.secured(verify=False) as connection:
                return connection.getpeercert(binary_form=True)
        except OSError:
            return None


def why(peer: Peer) -> Reason | None:
    """The problem with the server's certificate or its lack of TLS; None: nothing found."""
    try:
        with peer.secured(verify=True):
            return None
    except ssl.SSLCertVerificationError as error:
        return _of_certificate(error, peer.host, peer.certificate())
    except (ssl.SSLError, ConnectionError):
        return None if peer.certificate() else _no_tls(peer)
    except OSError:
        return None


def tls_expected(peer: Peer) -> Reason | None:
    """The reason when a server without an answer to plain LDAP expects TLS; None otherwise."""
    if peer.certificate() is None:
        return None
    text = f"port {peer.port} expects TLS from the start"
    return Reason(text, f"write ldaps://{peer.host}:{peer.port}, or the port without TLS (389) and start_tls")


def _no_tls(peer: Peer) -> Reason:
    if peer.start_tls:
        return Reason("the server does not answer StartTLS", "set up TLS on the server, or use its ldaps:// port")
    return Reason(
        f"{FAILED}: port {peer.port} does not support TLS",
        "check that this is the port of ldaps (636); for an unencrypted port use ldap:// with tls: {start_tls: true}",
    )


def _of_certificate(error: ssl.SSLCertVerificationError, host: str, der: bytes | None) -> Reason:
    """OpenSSL's message (X509_verify_cert_error_string), with the certificate's dates or names."""
    try:
        certificate = None if der is None else decoder.decode(der, asn1Spec=rfc5280.Certificate())[0]
    except PyAsn1Error:
        certificate = None
    said = str(error.verify_message or error.reason)
    begins, ends = (None, None) if certificate is None else _validity(certificate)
    if "has expired" in said:
        return Reason(f"{FAILED}: the server's certificate expired{_moment('on', ends)}", "renew it on the server")
    if "not yet valid" in said:
        return Reason(
            f"{FAILED}: the server's certificate is not valid yet{_moment('but from', begins)}",
            "check this machine's clock",
        )
    if "match" in said:
        names = [] if certificate is None else list(_names(certificate))
        other = f", but for {', '.join(names)}" if names else ""
        return Reason(
            f"{FAILED}: the server's certificate is not for {host}{other}", "use a name of the certificate in url"
        )
    return Reason(f"{FAILED}: the server's certificate is not trusted: {said}", _AUTHORITY)


def _moment(word: str, moment: datetime | None) -> str:
    return "" if moment is None else f" {word} {moment:%Y-%m-%d %H:%M} UTC"


def _validity(certificate: rfc5280.Certificate) -> Sequence[datetime]:
    validity = certificate["tbsCertificate"]["validity"]
    return [validity[part].getComponent().asDateTime.astimezone(UTC) for part in ("notBefore", "notAfter")]


def _names(certificate: rfc5280.Certificate) -> Iterator[str]:
    """The subject alternative names (RFC 5280, section 4.2.1.6)."""
    for extension in certificate["tbsCertificate"]["extensions"]:
        if extension["extnID"] == rfc5280.id_ce_subjectAltName:
            for name in decoder.decode(bytes(extension["extnValue"]), asn1Spec=rfc5280.SubjectAltName())[0]:
                if name.getName() == "dNSName":
                    yield str(name.getComponent())
                elif name.getName() == "iPAddress":
                    yield str(ipaddress.ip_address(bytes(name.getComponent())))
