"""One pull: groups, then the members of the changed groups, then users. When records seem to be missing, the listing is
read a second time."""

from __future__ import annotations

from collections import Counter
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Iterable, Mapping
from contextlib import aclosing
from typing import Any

from usersyncd.errors import SourceError
from usersyncd.plugin import Done, Kind, Members, Page, Present, Record, Unread
from usersyncd_google.api import Api
from usersyncd_google.completeness import ListedIds, missed_by_first, read_edges
from usersyncd_google.concurrent import concurrently
from usersyncd_google.cursor import Cursor
from usersyncd_google.faults import ForbiddenError, MalformedError, MissingError
from usersyncd_google.fields import Fields, listing
from usersyncd_google.groups import Edges, GroupReader, Row, domain
from usersyncd_google.hints import Hints, hints
from usersyncd_google.options import MY_CUSTOMER, GoogleOptions
from usersyncd_google.users import Json, UserReader

AT_ONCE = 20
"""Maximum concurrent requests."""
ITEMS = 1000
EDGES = 50_000
"""Records and memberships per page, not counting its last group."""

FEW = 0.1
"""Maximum share of unreadable groups among those whose members are read: more mean a missing right."""

_ID = Fields().need(["id"])
_ID_AND_AGE = Fields().need(["id", "creationTime"])


class GooglePull:
    """One pull since ``known`` (None: complete). It fills ``following``, the cursor for the next pull; ``subject`` is
    the id of the administrator that it impersonates."""

    def __init__(
        self,
        api: Api,
        options: GoogleOptions,
        log: Any,
        reads: Mapping[Kind, frozenset[str] | None],
        *,
        known: Cursor | None,
        following: Cursor,
        subject: str,
    ) -> None:
        self._api, self._options, self._log = api, options, log
        self._user_reader = UserReader(reads[Kind.USER], options.org_units)
        self._group_reader = GroupReader(reads[Kind.GROUP])
        self._known, self._following = known, following
        self._subject = subject
        self._changed: list[Row] = []
        self._outside: Counter[str] = Counter()
        self._own_domains: set[str] = set(options.domains or ())

    async def pages(self) -> AsyncGenerator[Page | Done]:
        """All pages, then ``Done``."""
        hinted = await self._hints()
        kept: list[Present | Unread] = []
        async for row in self._rows():
            if isinstance(row, Unread):
                kept.append(row)
                continue
            self._following.groups[row.record.id] = row.digest
            self._own_domains.add(domain(row.address))
            if self._is_unchanged(row, hinted):
                kept.append(Present(Kind.GROUP, row.record.id))
            else:
                self._changed.append(row)
            if len(kept) >= ITEMS:
                yield kept
                kept = []
        if kept:
            yield kept
        for part in (self._members(), self._users()):
            async with aclosing(part) as pages:
                async for page in pages:
                    yield page
        self._report()
        yield Done(cursor=self._following.text() if self._options.incremental else None, complete=True)

    # ------------------------------------------------------------------------------------------------------ groups

    async def _hints(self) -> Hints:
        if self._known is None:
            return Hints(set(), [])
        try:
            found = await hints(self._api, self._known.at, self._following.at, frozenset(self._known.seen))
        except SourceError as error:
            # The logs only save requests.
            self._log.warning(
                "the audit logs cannot be read: reading the members of all groups instead",
                event_name="google.audit_unreadable",
                error=str(error),
            )
            return Hints(set(), [], too_many=True)
        self._following.seen = found.seen
        return found

    def _is_unchanged(self, row: Row, hinted: Hints) -> bool:
        known, group = self._known, row.record.id
        return (
            known is not None
            and known.groups.get(group) == row.digest
            and group not in known.again
            and not hinted.too_many
            and hinted.groups.isdisjoint((row.address, group.lower()))
        )

    async def _rows(self) -> AsyncIterator[Row | Unread]:
        fields = self._group_reader.fields
        listed: set[str] = set()
        async for group in self._listed_groups(fields):
            listed.add(group["id"])
            yield self._group_reader.row(group)
        if self._known is None or self._known.groups.keys() - listed:
            again = (group["id"] async for group in self._listed_groups(_ID))
            missed = await missed_by_first(again, listed.__contains__, "groups")
            selection = None if fields is None else str(fields)
            for group in await self._fetched(missed, lambda key: self._api.group(key, selection)):
                yield self._group_reader.row(group)

    async def _listed_groups(self, fields: Fields | None) -> AsyncIterator[Json]:
        for extent in self._extents():
            async for page in self._api.groups(extent, listing("groups", fields)):
                for group in page:
                    yield group

    async def _members(self) -> AsyncGenerator[Page]:
        """The changed groups with their members."""
        page: list[Record | Members | Unread] = []
        refused: list[SourceError] = []
        edges = 0
        async with aclosing(concurrently(map(self._with_edges, self._changed), AT_ONCE)) as read:
            async for row, found in read:
                if found is None or isinstance(found, SourceError):
                    del self._following.groups[row.record.id]  # The next pull reads it again.
                    if found is not None:
                        refused.append(found)
                        page.append(Unread(Kind.GROUP, row.record.id, f"{found.message}\n  → {found.remedy}"))
                    continue
                self._note(row, found)
                page += (row.record, Members(row.record.id, found.named, whole=True))
                edges += len(found.named)
                if len(page) >= ITEMS or edges >= EDGES:
                    yield page
                    page, edges = [], 0
        if len(refused) > max(1, FEW * len(self._changed)):
            raise refused[0]
        if page:
            yield page

    async def _with_edges(self, row: Row) -> tuple[Row, Edges | SourceError | None]:
        """None: the group was deleted after it was listed. An error: its members may not be read, or are malformed."""
        try:
            return row, await read_edges(self._api, row)
        except (ForbiddenError, MalformedError) as error:
            return row, error
        except MissingError:
            pass
        try:
            await self._api.group(row.record.id, "id")
        except MissingError:
            self._log.info(
                "a group was deleted while it was read", event_name="google.group_deleted", group=row.address
            )
            return row, None
        try:
            return row, await read_edges(self._api, row)
        except MissingError as error:
            raise SourceError(
                f"group {row.address} exists, but its members are not found",
                "a new group is known to all servers of Google only after a while: the next run tries again",
            ) from error

    def _note(self, row: Row, found: Edges) -> None:
        """Note what the next pull needs to know about a group, and log what the admin should know."""
        group, known = row.record.id, self._known
        counted = row.count is None or found.entries == row.count
        reread = known is not None and group in known.doubtful and known.groups.get(group) == row.digest
        if found.everybody:
            self._following.everybody.append(group)
        if not counted and not reread:
            self._following.doubtful.append(group)
        if found.unnamed:
            self._log.warning(
                "members without id and address are left out",
                event_name="google.members_unnamed",
                group=row.address,
                count=found.unnamed,
            )
        self._outside += found.outside

    # ------------------------------------------------------------------------------------------------------- users

    async def _users(self) -> AsyncGenerator[Page]:
        reader, listed = self._user_reader, ListedIds()
        async for users in self._listed_users(reader.fields, reader.projection):
            listed.add(user["id"] for user in users)
            yield self._people(users)
        is_listed = listed.searcher()
        if self._known is None or listed.lacks(self._known.users):
            began = f"{self._following.at:%Y-%m-%dT%H:%M:%S}"
            again = (
                user["id"]
                async for users in self._listed_users(_ID_AND_AGE, "basic")
                for user in users
                if not _is_new(user, began)
            )
            missed = await missed_by_first(again, is_listed, "users")
            fields = None if reader.fields is None else str(reader.fields)
            if users := await self._fetched(missed, lambda key: self._api.user(key, fields)):
                yield self._people(users)
                listed.add(user["id"] for user in users)
                is_listed = listed.searcher()
        self._following.users = listed.counts
        if self._expects_subject() and not is_listed(self._subject):
            raise SourceError(
                f"the listing of users is incomplete: {self._options.subject}, the subject, is missing",
                "the next run tries again; if this persists, contact Google's support",
            )

    async def _listed_users(self, fields: Fields | None, projection: str) -> AsyncIterator[list[Json]]:
        for extent in self._extents():
            for query in self._queries():
                selection = listing("users", fields)
                async for users in self._api.users({**extent, **query}, selection, projection):
                    yield users

    def _queries(self) -> list[Json]:
        units = self._options.org_units
        return [{}] if units is None else [{"query": f"orgUnitPath='{_escaped(unit)}'"} for unit in units]

    def _people(self, users: Iterable[Json]) -> Page:
        """Records, each also as a member of the groups that contain all users."""
        records = [record for user in users if (record := self._user_reader.record(user)) is not None]
        for record in records:
            if isinstance(record, Record):
                self._own_domains.update(domain(handle) for handle in record.handles)
        everybody = frozenset(record.id for record in records)
        return [*records, *(Members(group, everybody) for group in self._following.everybody if everybody)]

    def _expects_subject(self) -> bool:
        options = self._options
        if options.org_units is not None or options.customer != MY_CUSTOMER:
            return False
        return options.domains is None or domain(options.subject) in options.domains

    # -------------------------------------------------------------------------------------------------------- both

    def _extents(self) -> list[Json]:
        if self._options.domains:
            return [{"domain": each} for each in self._options.domains]
        return [{"customer": self._options.customer}]

    async def _fetched(self, ids: Iterable[str], fetch: Callable[[str], Awaitable[Json]]) -> list[Json]:
        """The existing objects of ``ids``, fetched one by one."""
        found = []
        for each in ids:
            try:
                found.append(await fetch(each))
            except MissingError:
                continue
        return found

    def _report(self) -> None:
        """Log the external members by domain: the run only counts them as unresolved."""
        outside = {name: count for name, count in self._outside.most_common() if name not in self._own_domains}
        if outside:
            self._log.info(
                "groups have external members",
                event_name="google.members_outside",
                count=sum(outside.values()),
                domains=dict([*outside.items()][:5]),
            )


def _is_new(user: Json, began: str) -> bool:
    """Whether a user was created during this pull: the next pull reads it."""
    born = user.get("creationTime")
    return isinstance(born, str) and born >= began


def _escaped(text: str) -> str:
    """Escaped for a quoted search value (developers.google.com, "Search for users")."""
    return text.replace("\\", "\\\\").replace("'", "\\'")
