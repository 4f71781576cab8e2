"""Chooses the strategy that the server and the account support."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from msgspec import Struct

from usersyncd.errors import SourceError
from usersyncd_ldap.cursor import State
from usersyncd_ldap.dirsync import DirSync
from usersyncd_ldap.ds389 import ContentSync
from usersyncd_ldap.options import LdapOptions
from usersyncd_ldap.rootdse import Product
from usersyncd_ldap.session import KINDS, Session
from usersyncd_ldap.strategy import Strategy, UnfitError
from usersyncd_ldap.syncrepl import Syncrepl
from usersyncd_ldap.usn import Usn

STRATEGIES: Mapping[Product, Sequence[type[Strategy]]] = {
    Product.ACTIVE_DIRECTORY: (DirSync, Usn),
    Product.OPENLDAP: (Syncrepl,),
    Product.DS389: (ContentSync,),
}
"""The strategies for each product, the best first."""


COMPLETE = "complete"
"""The strategy without incremental pulls."""


class Choice(Struct, frozen=True):
    """``strategy`` None: every pull is complete. ``state``: the start of the next incremental pull."""

    strategy: type[Strategy] | None
    state: State
    why: str

    @property
    def name(self) -> str:
        return self.strategy.name if self.strategy else COMPLETE


def choose(session: Session, options: LdapOptions) -> Choice:
    """Try the strategies for this server. Raises SourceError when the configured strategy does not work here."""
    if options.strategy == COMPLETE:
        return Choice(None, {}, "set by the option strategy")
    reasons = [*_unreported(session)]
    if not reasons:
        for strategy in _candidates(session, options):
            try:
                state, why = strategy(session).begin()
            except UnfitError as unfit:
                reasons.append(str(unfit))
            else:
                return Choice(strategy, state, why)
    if options.strategy != "auto":
        raise SourceError(
            f"{session.server.url}: strategy {options.strategy} does not work here: {'; '.join(reasons)}",
            "change that, or set strategy to auto",
        )
    return Choice(None, {}, "; ".join(reasons) or "this kind of server does not report changes")


def strategy_of_cursor(session: Session, options: LdapOptions, name: str) -> type[Strategy] | None:
    """The strategy with the name in a cursor, if it can still be used."""
    if any(_unreported(session)):
        return None
    return next((each for each in _candidates(session, options) if each.name == name), None)


def _candidates(session: Session, options: LdapOptions) -> list[type[Strategy]]:
    offered = STRATEGIES.get(session.root.product, ())
    if options.strategy == "auto":
        return list(offered)
    wanted = [each for each in offered if each.name == options.strategy]
    if not wanted and options.strategy != COMPLETE:
        raise SourceError(
            f"{session.server.url} is {session.root.name}, which does not support the strategy {options.strategy}",
            f"set strategy to {', '.join(['auto', 'complete', *(each.name for each in offered)])}",
        )
    return wanted


def _unreported(session: Session) -> Iterator[str]:
    """The attributes in use that no change feed reports: with them, only complete pulls are correct."""
    for kind in KINDS:
        names = {name.lower(): name for name in session.reads[kind] or ()}
        for name in sorted(session.schema.unreported & names.keys()):
            yield f"the rules read {names[name]} of {kind}s, whose changes the server does not report"
        for name in sorted(session.schema.unreported & session.scopes[kind].attributes):
            yield f"the filter for {kind}s uses {name}, whose changes the server does not report"
