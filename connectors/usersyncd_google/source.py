"""The Google source: signs in, decodes the cursor, and pulls."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import aclosing, asynccontextmanager
from datetime import datetime
from typing import ClassVar

from pydantic import BaseModel

from usersyncd.errors import SourceError
from usersyncd.plugin import API, CANONICAL, Done, Kind, Listed, Page, Patience, Person, SourceContext
from usersyncd_google.api import Api, properties
from usersyncd_google.cursor import FORMAT, Cursor, extent, last_cursor, usable_cursor
from usersyncd_google.describe import describe
from usersyncd_google.faults import MissingError, reporting_unknown_forms, retryable
from usersyncd_google.keyless import KeylessSigner
from usersyncd_google.mapping import DERIVED, GROUPS, MAPPING, REPORTS, UNITS, USERS
from usersyncd_google.options import GoogleOptions
from usersyncd_google.person import PersonReader
from usersyncd_google.pull import AT_ONCE, GooglePull
from usersyncd_google.tokens import DelegatedAuth, KeySigner, Signer
from usersyncd_google.users import Json, UserReader


class GoogleSource:
    """Users, groups and memberships of a customer of Google Workspace or Cloud Identity.

    Every pull lists all users and all groups. It reads the members of the groups that changed since the cursor; without
    a cursor, those of all groups.
    """

    api: ClassVar[int] = API
    Options: ClassVar[type[BaseModel]] = GoogleOptions
    mapping: ClassVar[Mapping[Kind, Mapping[str, str]]] = MAPPING

    def __init__(self, options: GoogleOptions, context: SourceContext) -> None:
        self._options = options
        self._context = context

    async def pull(self, cursor: str | None) -> AsyncIterator[Page | Done]:
        """Read everything except the members of groups that did not change since ``cursor``. Raises SourceError."""
        async with self._connected() as api:
            me, now = await self._identified(api)
            reads = self._reads()
            following = Cursor(FORMAT, extent(self._options, reads), me["customerId"], now)
            known = usable_cursor(cursor if self._options.incremental else None, following)
            reading = GooglePull(
                api, self._options, self._context.log, reads, known=known, following=following, subject=me["id"]
            )
            async with aclosing(reading.pages()) as pages:
                async for page in pages:
                    yield page

    async def person(self, name: str, listed: Listed) -> Person | None:
        """Read one user by id, address or alias. Raises SourceError."""
        async with self._connected() as api:
            await self._identified(api)
            reads = self._reads()
            reader = UserReader(reads[Kind.USER], self._options.org_units)
            last = last_cursor(self._context.last_cursor, extent(self._options, reads))
            return await PersonReader(api, self._options, reader, last).person(name, listed)

    async def check(self) -> Sequence[str]:
        """Sign in, and describe the customer. Raises SourceError as ``pull`` does."""
        async with self._connected() as api:
            me, now = await self._identified(api)
            return [line async for line in describe(api, self._options, me, now)]

    @asynccontextmanager
    async def _connected(self) -> AsyncIterator[Api]:
        options, context = self._options, self._context
        patience = Patience(
            retryable=retryable, concurrency=AT_ONCE, per_minute=options.per_minute, seconds=float(options.patience)
        )
        async with context.http(patience, ca_file=options.ca_file, proxy=options.proxy) as client:
            signer: Signer
            if options.keyless is not None:
                signer = KeylessSigner(options, options.keyless, context, client)
            elif options.service_account is not None:
                where = next(f"{kind} {name}" for kind, name in options.service_account.model_dump().items() if name)
                signer = KeySigner(context.secret(options.service_account), f"service_account ({where})")
            scopes = [USERS, GROUPS, *[UNITS][: bool(options.org_units)], *[REPORTS][: options.incremental]]
            client.auth = DelegatedAuth(signer, options, scopes)
            with reporting_unknown_forms():
                yield Api(client, options, scopes)

    async def _identified(self, api: Api) -> tuple[Json, datetime]:
        """The subject, and Google's time. Raises SourceError, also when an org unit of the options does not exist."""
        options = self._options
        me, now = await api.user_and_time(options.subject, "id,primaryEmail,customerId")
        for unit in options.org_units or ():
            if unit == "/":
                continue  # The root always exists.
            try:
                await api.unit(unit)
            except MissingError as error:
                raise SourceError(
                    f"there is no org unit {unit}: it was renamed, moved or deleted",
                    "correct the option org_units (Admin console → Directory → Organizational units)",
                ) from error
        return me, now

    def _reads(self) -> Mapping[Kind, frozenset[str] | None]:
        """The attributes to request. Google refuses a request with an unknown attribute."""
        found: dict[Kind, frozenset[str] | None] = {}
        for kind, names in self._context.reads.items():
            has = properties("User") | DERIVED.keys() if kind is Kind.USER else properties("Group")
            if names is not None and (unknown := names - has - set(CANONICAL[kind])):
                self._context.log.warning(
                    f"Google has no such attributes of a {kind}",
                    event_name="google.attribute_unknown",
                    attributes=sorted(unknown),
                    remedy="correct the rules",
                )
            found[kind] = None if names is None else names & has
        return found
