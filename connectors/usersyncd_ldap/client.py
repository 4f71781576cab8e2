"""Connects to the first server that answers, secures the connection and binds."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import ldap
import ldap.ldapobject
from ldap.controls import RequestControl
from ldap.controls.ppolicy import PasswordPolicyControl

from usersyncd.errors import SourceError
from usersyncd_ldap import sockets
from usersyncd_ldap.attributes import Lot
from usersyncd_ldap.faults import NOT_HERE, TLS_FAILED, Failure, error_message, fault, unreachable
from usersyncd_ldap.handshake import Peer, Reason, tls_expected, why
from usersyncd_ldap.operation import Answer, answers
from usersyncd_ldap.options import LdapOptions
from usersyncd_ldap.search import Search
from usersyncd_ldap.trust import trust

MUST_CHANGE = 2
"""The error changeAfterReset of a password policy (draft-behera-ldap-password-policy)."""

CONNECT_SECONDS = 10
"""Maximum seconds for connecting, and for the TLS handshake."""


class Server:
    """A connection, created by :func:`connect`. Use it only in the thread that created it."""

    def __init__(self, url: str, connection: ldap.ldapobject.SimpleLDAPObject, options: LdapOptions) -> None:
        self.url = url
        self._connection = connection
        self._options = options

    def __enter__(self) -> Server:
        return self

    def __exit__(self, *exception: object) -> None:
        with suppress(ldap.LDAPError):
            self._connection.unbind_ext_s()

    def search(
        self,
        base: str,
        filterstr: str,
        attributes: Sequence[str],
        controls: Sequence[RequestControl] = (),
        scope: int = ldap.SCOPE_SUBTREE,
        lot: int = 1,
    ) -> Search:
        """A search of everything below ``base``, not yet started. Its entries are processed ``lot`` at a time."""
        options = self._options
        return Search(
            self._connection, base, filterstr, attributes, page_size=options.page_size, timeout=options.timeout,
            server=self.url, account=options.bind_dn, controls=controls, scope=scope, lot=lot,
        )  # fmt: skip

    def find(
        self,
        base: str,
        filterstr: str,
        attributes: Sequence[str],
        controls: Sequence[RequestControl] = (),
        scope: int = ldap.SCOPE_SUBTREE,
    ) -> Lot:
        """All results of a search with few results. Raises SourceError as a search does."""
        found: Lot = []

        def take(lot: Lot) -> bool:
            found.extend(lot)
            return False

        for _ in self.search(base, filterstr, attributes, controls, scope).run(take):
            pass
        return found

    def read(self, dn: str, attributes: Sequence[str]) -> Mapping[str, Sequence[bytes]]:
        """The attributes of one entry; ``""`` is the root DSE (RFC 4512, section 5.1).

        Raises SourceError when the entry does not exist or is hidden from the account.
        """
        try:
            found = self._connection.search_ext_s(dn, ldap.SCOPE_BASE, "(objectClass=*)", list(attributes))
        except ldap.LDAPError as error:
            raise self.fault(error, f"reading {dn!r}") from error
        return next((entry for name, entry in found if name is not None), {})

    def shows(self, base: str, filterstr: str, attribute: str) -> bool:
        """Whether the first result of a search has an attribute. It can run during another search: it uses no pages,
        which some servers support for one search at a time only."""
        connection = self._connection
        try:
            message = connection.search_ext(base, ldap.SCOPE_SUBTREE, filterstr, [attribute], sizelimit=1)
            kind, found = connection.result(message, all=0, timeout=self._options.timeout)
            connection.abandon_ext(message)
        except ldap.LDAPError:
            return False
        return kind == ldap.RES_SEARCH_ENTRY and any(entry for _, entry in found)

    def answers(
        self, base: str, scope: int, filterstr: str, attributes: Sequence[str], controls: Sequence[RequestControl]
    ) -> Iterator[Answer | None]:
        """The responses to a search whose controls return more than entries, see
        :func:`usersyncd_ldap.operation.answers`. Raises ldap.LDAPError."""
        request = (base, scope, filterstr, list(attributes))
        return answers(self._connection, request, controls, self._options.timeout, details=True)

    def fault(self, error: ldap.LDAPError, doing: str) -> SourceError:
        """The SourceError for an error of libldap; ``doing`` says what failed."""
        return fault(error, f"{self.url}: {doing} failed", self._options.bind_dn)

    def who_am_i(self) -> str:
        """The account by the server's own name (RFC 4532), or else by the options. Empty when anonymous."""
        try:
            answer: str = self._connection.whoami_s()
        except ldap.LDAPError:
            answer = ""
        return answer.removeprefix("dn:") or self._options.account


def connect(urls: Sequence[str], options: LdapOptions, folder: Path, password: str | None, log: Any) -> Server:
    """Connect to the first of the servers at ``urls`` that answers, secure the connection and bind.

    Raises SourceError when no server answers, and immediately when one refuses the account, because others would refuse
    it too.
    """
    if password == "":
        raise SourceError(
            f"the password of {options.bind_dn} is empty, which would sign in anonymously (RFC 4513, section 5.1.2)",
            "store the password as the secret of the option password, or leave out bind_dn and password",
        )
    failures: list[Failure] = []
    for url in urls:
        try:
            server = Server(url, _connected(url, options, folder, password), options)
        except (*NOT_HERE, OSError) as error:
            failures.append(Failure(url, error_message(error), _reason(url, options, folder)))
        except ldap.LDAPError as error:
            doing = f"{url}: signing in as {options.account or 'anonymous'} failed"
            raise fault(error, doing, options.bind_dn) from error
        else:
            if failures:
                log.warning(
                    "LDAP server does not answer, another one does",
                    event_name="ldap.server_down",
                    failed=list(map(str, failures)),
                    server=url,
                )
            return server
    raise unreachable(failures)


def _connected(url: str, options: LdapOptions, folder: Path, password: str | None) -> ldap.ldapobject.SimpleLDAPObject:
    seconds = min(CONNECT_SECONDS, options.timeout)
    connection = _opened(url, options, seconds)
    try:
        _configure(connection, options, seconds)
        if _secured(url, options):
            trust(connection, options.tls, folder)
        try:
            if options.tls.start_tls:
                with sockets.cut_after(connection.fileno(), seconds):
                    connection.start_tls_s()
            _bind(connection, url, options, password)
        except (ldap.SERVER_DOWN, ldap.CONNECT_ERROR) as error:
            raise ConnectionError(TLS_FAILED if _secured(url, options) else error_message(error)) from error
        sockets.limit_reads(connection.fileno())
    except BaseException:
        with suppress(ldap.LDAPError):
            connection.unbind_ext_s()
        raise
    return connection


def _reason(url: str, options: LdapOptions, folder: Path) -> Reason | None:
    """Why the connection fails, if TLS is the reason."""
    parts, tls = urlsplit(url), options.tls
    if parts.scheme == "ldapi" or not tls.verify:
        return None
    authorities = None if tls.ca_file is None else str(folder / tls.ca_file)
    own = None if tls.certificate is None or tls.key is None else (str(folder / tls.certificate), str(folder / tls.key))
    port, secured = parts.port or (636 if parts.scheme == "ldaps" else ldap.PORT), _secured(url, options)
    peer = Peer(parts.hostname or "", port, tls.start_tls, authorities, own, min(CONNECT_SECONDS, options.timeout))
    return why(peer) if secured else tls_expected(peer)


def _bind(connection: ldap.ldapobject.SimpleLDAPObject, url: str, options: LdapOptions, password: str | None) -> None:
    if options.sasl is None:
        account = options.bind_dn or ""
        *_, controls = connection.simple_bind_s(account, password or "", [PasswordPolicyControl()] if account else [])
        if any(getattr(control, "error", None) == MUST_CHANGE for control in controls):
            raise SourceError(
                f"{url}: the password of {account} must be changed; until then the server allows no reading",
                "an administrator set it, and the server requires that the account itself changes it: run "
                f"ldappasswd -H {url} -D '{account}' -W -S; then store it as the secret of the option password",
            )
        return
    # Active Directory refuses a second layer of encryption within TLS; without TLS, Kerberos must encrypt.
    layers = "maxssf=0" if _secured(url, options) or options.sasl == "external" else "minssf=56"
    connection.set_option(ldap.OPT_X_SASL_SECPROPS, layers)
    connection.set_option(ldap.OPT_X_SASL_NOCANON, ldap.OPT_ON)  # the name in url, not one from a reverse lookup
    connection.sasl_non_interactive_bind_s(options.sasl.upper())


def _opened(url: str, options: LdapOptions, seconds: int) -> ldap.ldapobject.SimpleLDAPObject:
    """A connection before the first message.

    An unencrypted password is sent to loopback only: the host name is resolved once, here. Raises SourceError when the
    password would leave the machine.
    """
    parts = urlsplit(url)
    if parts.scheme == "ldapi":
        return ldap.initialize(url)
    host = parts.hostname or ""
    if parts.scheme == "ldaps":
        sockets.check_handshake(host, parts.port or 636, seconds)
        return ldap.initialize(url)
    port = parts.port or ldap.PORT
    addresses = sockets.addresses(host, port)
    if options.password is not None and not options.tls.start_tls and not options.tls.plaintext:
        for address in addresses:
            if not sockets.is_loopback(address):
                raise SourceError(
                    f"{url}: the password of {options.bind_dn} would be sent unencrypted to {address}",
                    "use ldaps:// or tls: {start_tls: true}; tls: {plaintext: true} allows it anyway",
                )
    with sockets.opened(addresses, port, seconds) as connection:
        ours = ldap.initialize(url, fileno=connection.fileno())
        connection.detach()  # libldap closes it.
        return ours


def _configure(connection: ldap.ldapobject.SimpleLDAPObject, options: LdapOptions, seconds: int) -> None:
    """Set all options explicitly, so that no ldap.conf of the machine or a user applies."""
    connection.timeout = options.timeout
    for option, value in (
        (ldap.OPT_PROTOCOL_VERSION, ldap.VERSION3),
        (ldap.OPT_REFERRALS, ldap.OPT_OFF),
        (ldap.OPT_DEREF, ldap.DEREF_NEVER),
        (ldap.OPT_NETWORK_TIMEOUT, seconds),
        (ldap.OPT_TIMEOUT, options.timeout),
        (ldap.OPT_SIZELIMIT, ldap.NO_LIMIT),
        (ldap.OPT_TIMELIMIT, ldap.NO_LIMIT),
    ):
        connection.set_option(option, value)


def _secured(url: str, options: LdapOptions) -> bool:
    return options.tls.start_tls or url.startswith("ldaps:")
