"""One search, processed as its responses arrive: it ends completely or with an error."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator, Sequence

import ldap
import ldap.ldapobject
from ldap.controls import DecodeControlTuples, LDAPControl, RequestControl
from ldap.controls.libldap import SimplePagedResultsControl

from usersyncd.errors import SourceError
from usersyncd_ldap.attributes import Lot
from usersyncd_ldap.faults import fault
from usersyncd_ldap.operation import answers

Take = Callable[[Lot], bool]
"""Processes entries, and returns whether the search pauses."""


class Search:
    """A search below ``base`` for ``filterstr``, in pages (RFC 2696).

    :attr:`entries`, :attr:`pages` and :attr:`referrals` count the results so far; references to other servers are not
    followed.
    """

    def __init__(
        self, connection: ldap.ldapobject.SimpleLDAPObject, base: str, filterstr: str, attributes: Sequence[str], *,
        page_size: int, timeout: int, server: str, account: str | None,
        controls: Sequence[RequestControl] = (), scope: int = ldap.SCOPE_SUBTREE, lot: int = 1,
    ) -> None:  # fmt: skip
        self.entries = 0
        self.pages = 0
        self.referrals: list[str] = []
        self._connection = connection
        self._request = (base, scope, filterstr, list(attributes))
        self._controls = list(controls)
        self._page_size = page_size
        self._timeout = timeout
        self._account = account
        self._lot: Lot = []
        self._size_of_lot = lot
        self._first: str | None = None
        self._doing = f"{server}: the search below {base!r} for {filterstr}"

    def run(self, take: Take) -> Iterator[None]:
        """Call ``take`` with the entries, ``lot`` at a time, and pause whenever it returns True, whenever the server
        does not respond for a moment, and at the end.

        Ends only when the server reports the end. Raises SourceError for everything else: an exceeded limit, a lost
        connection, a missing page. A server that ignores the paged results control sends everything at once, which is
        fine.
        """
        cookie = b""
        try:
            while True:
                cookie = yield from self._page(cookie, take)
                if not cookie:
                    break
        except ldap.LDAPError as error:
            raise fault(error, self._so_far(), self._account) from error
        except UnicodeDecodeError as error:
            raise self._broken(f"it sent a DN that is not UTF-8: {error.object!r}") from error
        yield

    def _page(self, cookie: bytes, take: Take) -> Generator[None, None, bytes]:
        """One page; returns the cookie for the next one, empty after the last."""
        control = SimplePagedResultsControl(criticality=False, size=self._page_size, cookie=cookie)
        first = True
        for answer in answers(self._connection, self._request, [control, *self._controls], self._timeout):
            if answer is None:
                take(self._taken())
                yield
                continue
            kind, found, controls = answer
            if kind == ldap.RES_SEARCH_ENTRY:
                if first:
                    self._progress(found[0][0])
                    first = False
                self._lot.append(found[0])
                if len(self._lot) >= self._size_of_lot and take(self._taken()):
                    yield
            elif kind == ldap.RES_SEARCH_REFERENCE:
                self.referrals += found[0][1]
            elif kind == ldap.RES_SEARCH_RESULT:
                self.pages += 1
                if take(self._taken()):
                    yield
                cookie = self._next(DecodeControlTuples(controls), paging=bool(cookie))
        return cookie

    def _taken(self) -> Lot:
        lot, self._lot = self._lot, []
        self.entries += len(lot)
        return lot

    def _progress(self, first: str) -> None:
        """Refuse a page that begins like the page before: a server that ignores the cookie would repeat it forever."""
        if first == self._first:
            raise self._broken(f"it sent the page that begins with {first} twice")
        self._first = first

    def _next(self, controls: Sequence[LDAPControl], *, paging: bool) -> bytes:
        for control in controls:
            if control.controlType == ldap.CONTROL_PAGEDRESULTS:
                return control.cookie or b""
        if paging:
            raise self._broken("it stopped sending pages before the last one")
        return b""

    def _broken(self, what: str) -> SourceError:
        return SourceError(
            f"{self._so_far()}: {what}",
            "see the server's log, and check whether a proxy breaks paging; the next run starts again",
        )

    def _so_far(self) -> str:
        return f"{self._doing} failed after {self.entries + len(self._lot):,} entries"
