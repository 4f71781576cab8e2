"""Update sequence numbers: finds the changes on one Active Directory domain controller by its own count.

As in Microsoft's "Polling for Changes Using USNChanged": the count (highestCommittedUSN) is read before the search. It
is valid only on the same controller and until its database is restored, so the state includes the controller's name and
invocationId.
"""

from __future__ import annotations

from collections.abc import Generator, Mapping
from typing import ClassVar

from usersyncd.plugin import Page
from usersyncd_ldap import ad
from usersyncd_ldap.current import ChangeHint, current_pages
from usersyncd_ldap.cursor import StaleError, State
from usersyncd_ldap.dirsync import CONTAINERS, RECORDS, SHOW_DELETED, sees_deleted
from usersyncd_ldap.replicas import invocation
from usersyncd_ldap.scope import within
from usersyncd_ldap.session import EXTENDED_DN, Session
from usersyncd_ldap.strategy import UnfitError


class Usn:
    """The strategy ``usn``. All members of each changed group are read."""

    name: ClassVar[str] = "usn"
    never: ClassVar[frozenset[str]] = frozenset()

    def __init__(self, session: Session) -> None:
        self._session = session
        self._domain = session.root.text("defaultNamingContext")

    def begin(self) -> tuple[State, str]:
        for scope in self._session.scopes.values():
            for base in scope.bases:
                if not within(base, self._domain):
                    raise UnfitError(f"{base} is not in {self._domain}, whose changes are counted")
        if not sees_deleted(self._session):
            raise UnfitError(
                "changes cannot be found by uSNChanged, because the account does not see deletions: grant it Read on "
                "the Deleted Objects container"
            )
        state = self._state()
        if state is None:
            raise UnfitError("the server does not report its invocationId and its change count")
        return state, f"changes are found by uSNChanged of {state['server']}, and the account sees deletions"

    def changes(self, state: State) -> Generator[Page, None, tuple[State, bool]]:
        now = self._state()
        if now is None:
            raise StaleError("the server no longer reports its change count")
        if (now["server"], now["invocation"]) != (state["server"], state["invocation"]):
            raise StaleError(
                f"the changes were counted by {state['server']}; this is {now['server']}, or it was restored"
            )
        since, until = int(str(state["usn"])), int(str(now["usn"]))
        if since > until:
            raise StaleError(
                f"{now['server']} has counted {until:,} changes, fewer than the {since:,} of the last pull"
            )
        if not sees_deleted(self._session):
            raise StaleError("the account no longer sees deletions")
        for dn, entry in self._find(CONTAINERS, since, ["uSNCreated", "isDeleted"]):
            created = next((values for name, values in entry.items() if name.lower() == "usncreated"), [b"0"])
            if int(created[0]) <= since and not any(name.lower() == "isdeleted" for name in entry):
                raise StaleError(
                    f"{ad.plain(dn)} was changed, perhaps renamed, and changes of the entries below it are not reported"
                )
        found = [ad.EXTENDED.fullmatch(dn) for dn, _ in self._find(RECORDS, since, ["1.1"])]
        hints: Mapping[str, ChangeHint] = {match[1].lower(): ChangeHint(whole=True) for match in found if match}
        yield from current_pages(self._session, hints)
        return now, False

    def _find(self, filterstr: str, since: int, attributes: list[str]) -> list[tuple[str, dict[str, list[bytes]]]]:
        controls = [EXTENDED_DN, SHOW_DELETED, *self._session.controls[1:]]
        return self._session.server.find(self._domain, f"(&{filterstr}(uSNChanged>={since + 1}))", attributes, controls)

    def _state(self) -> State | None:
        root = self._session.root
        usn, found = root.text("highestCommittedUSN"), invocation(self._session)
        if found is None or not usn:
            return None
        return {"server": root.text("dnsHostName"), "invocation": found, "usn": int(usn)}
