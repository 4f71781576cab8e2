"""A fake Google with a customer in it, and pulls of it as a run makes them."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tests.fakes.google import Google, Tenant
from usersyncd.plugin import Done, Kind
from usersyncd.testing import Listing, Log, Pull, fold, read, source_context
from usersyncd_google import GoogleSource
from usersyncd_google.options import GoogleOptions

KEY = "GOOGLE_KEY_OF_THE_TESTS"
Reads = Mapping[Kind, frozenset[str] | None]


class Directory:
    """``held`` is what the pulls of :meth:`sync` told; ``done`` the last one's end; ``log`` what was logged."""

    def __init__(self, google: Google, folder: Path, **options: Any) -> None:
        self.google, self.folder = google, folder
        self.options = {**reachable(google), **options}
        self.log = Log()
        self.held: Listing | None = None
        self.done: Done | None = None

    @property
    def tenant(self) -> Tenant:
        return self.google.tenant

    def source(self, reads: Reads | None = None) -> GoogleSource:
        context = source_context(self.folder, reads=reads, log=self.log)
        return GoogleSource(GoogleOptions.model_validate(self.options), context)

    async def pull(self, cursor: str | None = None, reads: Reads | None = None) -> Pull:
        """One pull, by itself."""
        return await read(self.source(reads), cursor)

    async def listing(self, reads: Reads | None = None) -> Listing:
        """What a complete pull says."""
        return fold((await self.pull(reads=reads)).items)

    async def sync(self, *, complete: bool = False) -> Pull:
        """The next pull after the last one, folded into what is held; nothing is when it fails."""
        pull = await self.pull(None if complete or self.done is None else self.done.cursor)
        (self.done,) = pull.ends
        assert self.done.complete
        self.held = fold(pull.items, known=self.held)
        return pull

    def assert_equal(self) -> None:
        """What is held is what the customer has."""
        assert self.held is not None
        records, edges = truth(self.tenant)
        found = {(kind, key): _essence(kind, held) for (kind, key), held in self.held.records.items()}
        assert found == records
        assert self.held.edges == edges

    def assert_nobody_is_missing(self, before: Truth) -> None:
        """Who was there before the pull and still is, is held; and so are memberships."""
        assert self.held is not None
        (records, edges), now = before, truth(self.tenant)
        assert records.keys() & now[0].keys() <= self.held.records.keys()
        assert edges & now[1] <= self.held.edges


Truth = tuple[dict[tuple[Kind, str], Any], set[tuple[str, str]]]
"""Records and edges."""


def reachable(google: Google) -> dict[str, Any]:
    """The options that reach a fake; its key file is in an environment variable."""
    os.environ[KEY] = google.accounts.key_file(google.token_url)
    return {
        "service_account": {"env": KEY},
        "subject": min(google.tenant.admins),
        "endpoint": google.url,
        "token_endpoint": google.token_url,
    }


def truth(tenant: Tenant) -> Truth:
    """What a pull should find, told from the tenant alone."""
    records: dict[tuple[Kind, str], Any] = {}
    records |= {(Kind.USER, key): _essence(Kind.USER, user) for key, user in tenant.users.items()}
    records |= {(Kind.GROUP, key): _essence(Kind.GROUP, group) for key, group in tenant.groups.items()}
    edges = set()
    for group, members in tenant.members.items():
        for key in members:
            if key == tenant.customer:
                edges |= {(group, user) for user in tenant.users}
            else:
                edges.add((group, f"email:{key.lower()}" if "@" in key else key))
    return records, edges


def _essence(kind: Kind, held: Mapping[str, Any]) -> Any:
    if kind is Kind.GROUP:
        return held["email"], held["name"]
    return held["primaryEmail"], held["name"]["fullName"], held["suspended"], held["archived"], held["orgUnitPath"]
