"""A fake Google with a customer, and pulls from it as in a run."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tests.fakes.google import Google, Tenant
from usersyncd.plugin import Done, Kind
from usersyncd.testing import DirectoryContent, Log, Pull, fold, read, source_context
from usersyncd_google import GoogleSource
from usersyncd_google.options import GoogleOptions

KEY = "GOOGLE_KEY_OF_THE_TESTS"
Reads = Mapping[Kind, frozenset[str] | None]


class Directory:
    """``held`` is the merged content of the pulls of :meth:`sync`; ``done`` the end of the last one; ``log`` the
    log."""

    def __init__(self, google: Google, folder: Path, **options: Any) -> None:
        self.google, self.folder = google, folder
        self.options = {**reachable(google), **options}
        self.log = Log()
        self.held: DirectoryContent | None = None
        self.done: Done | None = None

    @property
    def tenant(self) -> Tenant:
        return self.google.tenant

    def source(self, reads: Reads | None = None) -> GoogleSource:
        context = source_context(self.folder, reads=reads, log=self.log)
        return GoogleSource(GoogleOptions.model_validate(self.options), context)

    async def pull(self, cursor: str | None = None, reads: Reads | None = None) -> Pull:
        """One pull, independent of others."""
        return await read(self.source(reads), cursor)

    async def listing(self, reads: Reads | None = None) -> DirectoryContent:
        """The content by a complete pull."""
        return fold((await self.pull(reads=reads)).items)

    async def sync(self, *, complete: bool = False) -> Pull:
        """The next pull after the last one, merged into ``held``, which stays unchanged when the pull fails."""
        pull = await self.pull(None if complete or self.done is None else self.done.cursor)
        (self.done,) = pull.ends
        assert self.done.complete
        self.held = fold(pull.items, known=self.held)
        return pull

    def assert_equal(self) -> None:
        """Assert that ``held`` equals the customer's content."""
        assert self.held is not None
        records, edges = truth(self.tenant)
        found = {(kind, key): _essence(kind, held) for (kind, key), held in self.held.records.items()}
        assert found == records
        assert self.held.edges == edges

    def assert_no_record_is_missing(self, before: Truth) -> None:
        """Assert that ``held`` has every record and membership that existed before the pull and still exists."""
        assert self.held is not None
        (records, edges), now = before, truth(self.tenant)
        assert records.keys() & now[0].keys() <= self.held.records.keys()
        assert edges & now[1] <= self.held.edges


Truth = tuple[dict[tuple[Kind, str], Any], set[tuple[str, str]]]
"""Records and edges."""


def reachable(google: Google) -> dict[str, Any]:
    """The options for a fake; its key file is in an environment variable."""
    os.environ[KEY] = google.accounts.key_file(google.token_url)
    return {
        "service_account": {"env": KEY},
        "subject": min(google.tenant.admins),
        "endpoint": google.url,
        "token_endpoint": google.token_url,
    }


def truth(tenant: Tenant) -> Truth:
    """The expected content, derived from the tenant alone."""
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
