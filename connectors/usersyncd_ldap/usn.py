"""Update sequence numbers: what changed on one Active Directory domain controller, by its own count.

As in Microsoft's "Polling for Changes Using USNChanged": the count (highestCommittedUSN) is read before the search. It
means something only on the same controller, as long as its database was not restored: so its name and invocationId
stand beside it.
"""

from __future__ import annotations

from collections.abc import Generator, Mapping
from typing import ClassVar

from usersyncd.plugin import Page
from usersyncd_ldap import ad
from usersyncd_ldap.changed import Hint, changed
from usersyncd_ldap.cursor import StaleError, State
from usersyncd_ldap.dirsync import CONTAINERS, RECORDS, SHOW_DELETED, sees_deleted
from usersyncd_ldap.reading import EXTENDED_DN, Reading
from usersyncd_ldap.replicas import invocation
from usersyncd_ldap.scope import within
from usersyncd_ldap.strategy import UnfitError


class Usn:
    """The strategy ``usn``. Members are read anew with every group that changed."""

    name: ClassVar[str] = "usn"
    never: ClassVar[frozenset[str]] = frozenset()

    def __init__(self, reading: Reading) -> None:
        self._reading = reading
        self._domain = reading.root.text("defaultNamingContext")

    def begin(self) -> tuple[State, str]:
        for part in self._reading.parts.values():
            for base in part.bases:
                if not within(base, self._domain):
                    raise UnfitError(f"{base} is not in {self._domain}, whose changes are counted")
        if not sees_deleted(self._reading):
            raise UnfitError(
                "changes cannot be found by uSNChanged, because the account does not see what was deleted: let it read "
                "the Deleted Objects container"
            )
        state = self._state()
        if state is None:
            raise UnfitError("the server does not tell its invocationId and how many changes it has counted")
        return state, f"changes are found by uSNChanged of {state['server']}, and the account sees what was deleted"

    def changes(self, state: State) -> Generator[Page, None, tuple[State, bool]]:
        now = self._state()
        if now is None:
            raise StaleError("the server no longer tells how many changes it has counted")
        if (now["server"], now["invocation"]) != (state["server"], state["invocation"]):
            raise StaleError(
                f"the changes were counted by {state['server']}; this is {now['server']}, or it was restored"
            )
        since, until = int(str(state["usn"])), int(str(now["usn"]))
        if since > until:
            raise StaleError(
                f"{now['server']} has counted {until:,} changes, fewer than the {since:,} of the last pull"
            )
        if not sees_deleted(self._reading):
            raise StaleError("the account may no longer see what was deleted")
        for dn, entry in self._find(CONTAINERS, since, ["uSNCreated", "isDeleted"]):
            created = next((values for name, values in entry.items() if name.lower() == "usncreated"), [b"0"])
            if int(created[0]) <= since and not any(name.lower() == "isdeleted" for name in entry):
                raise StaleError(f"{ad.plain(dn)} was changed, perhaps renamed, and nobody tells of what is below it")
        found = [ad.EXTENDED.fullmatch(dn) for dn, _ in self._find(RECORDS, since, ["1.1"])]
        hints: Mapping[str, Hint] = {match[1].lower(): Hint(whole=True) for match in found if match}
        yield from changed(self._reading, hints)
        return now, False

    def _find(self, filterstr: str, since: int, attributes: list[str]) -> list[tuple[str, dict[str, list[bytes]]]]:
        controls = [EXTENDED_DN, SHOW_DELETED, *self._reading.controls[1:]]
        return self._reading.server.find(self._domain, f"(&{filterstr}(uSNChanged>={since + 1}))", attributes, controls)

    def _state(self) -> State | None:
        root = self._reading.root
        usn, found = root.text("highestCommittedUSN"), invocation(self._reading)
        if found is None or not usn:
            return None
        return {"server": root.text("dnsHostName"), "invocation": found, "usn": int(usn)}
