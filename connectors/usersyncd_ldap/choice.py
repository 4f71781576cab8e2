"""Which way of finding changes a server and its account allow, and why."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from msgspec import Struct

from usersyncd.errors import SourceError
from usersyncd_ldap.cursor import State
from usersyncd_ldap.dirsync import DirSync
from usersyncd_ldap.ds389 import ContentSync
from usersyncd_ldap.options import LdapOptions
from usersyncd_ldap.reading import KINDS, Reading
from usersyncd_ldap.rootdse import Product
from usersyncd_ldap.strategy import Strategy, UnfitError
from usersyncd_ldap.syncrepl import Syncrepl
from usersyncd_ldap.usn import Usn

STRATEGIES: Mapping[Product, Sequence[type[Strategy]]] = {
    Product.ACTIVE_DIRECTORY: (DirSync, Usn),
    Product.OPENLDAP: (Syncrepl,),
    Product.DS389: (ContentSync,),
}
"""What may be tried, the best first."""


COMPLETE = "complete"
"""The strategy of those for which there is none."""


class Choice(Struct, frozen=True):
    """``strategy`` None: every pull is complete. ``state`` is where to go on from after a complete reading."""

    strategy: type[Strategy] | None
    state: State
    why: str

    @property
    def name(self) -> str:
        return self.strategy.name if self.strategy else COMPLETE


def choose(reading: Reading, options: LdapOptions) -> Choice:
    """Try what the server offers. Raises SourceError when the admin wants a strategy that does not work here."""
    if options.strategy == COMPLETE:
        return Choice(None, {}, "the option strategy says so")
    reasons = [*_unreported(reading)]
    if not reasons:
        for strategy in _candidates(reading, options):
            try:
                state, why = strategy(reading).begin()
            except UnfitError as unfit:
                reasons.append(str(unfit))
            else:
                return Choice(strategy, state, why)
    if options.strategy != "auto":
        raise SourceError(
            f"{reading.server.url}: strategy {options.strategy} does not work here: {'; '.join(reasons)}",
            "change that, or set strategy to auto",
        )
    return Choice(None, {}, "; ".join(reasons) or "this kind of server tells no changes")


def fits(reading: Reading, options: LdapOptions, name: str) -> type[Strategy] | None:
    """The strategy of a cursor, if it may still be used."""
    if any(_unreported(reading)):
        return None
    return next((each for each in _candidates(reading, options) if each.name == name), None)


def _candidates(reading: Reading, options: LdapOptions) -> list[type[Strategy]]:
    offered = STRATEGIES.get(reading.root.product, ())
    if options.strategy == "auto":
        return list(offered)
    wanted = [each for each in offered if each.name == options.strategy]
    if not wanted and options.strategy != COMPLETE:
        raise SourceError(
            f"{reading.server.url} is {reading.root.name}: there is no strategy {options.strategy} for it",
            f"set strategy to {', '.join(['auto', 'complete', *(each.name for each in offered)])}",
        )
    return wanted


def _unreported(reading: Reading) -> Iterator[str]:
    """What is read that no change feed tells of: then only complete readings are right."""
    for kind in KINDS:
        names = {name.lower(): name for name in reading.reads[kind] or ()}
        for name in sorted(reading.schema.unreported & names.keys()):
            yield f"the rules read {names[name]} of {kind}s, whose changes the server does not tell"
        for name in sorted(reading.schema.unreported & reading.parts[kind].attributes):
            yield f"the filter for {kind}s looks at {name}, whose changes the server does not tell"
