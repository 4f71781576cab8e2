"""Reads one user and the user's groups, as a pull would read them.

``groups.list`` with a user's id lists the groups of that user, and Google does not document whether nested ones are
among them. So each group is confirmed: ``members.get`` knows direct members only. A membership of all users of the
customer (type CUSTOMER) has no member entry of its own; the last pull's cursor says which groups have it.
"""

from __future__ import annotations

from collections.abc import AsyncIterator

from usersyncd.plugin import Listed, Person, Unread
from usersyncd_google.api import Api
from usersyncd_google.concurrent import concurrently
from usersyncd_google.cursor import Cursor
from usersyncd_google.faults import MissingError
from usersyncd_google.fields import Fields, listing
from usersyncd_google.groups import EDGE_FIELDS, domain, edges
from usersyncd_google.options import MY_CUSTOMER, GoogleOptions
from usersyncd_google.users import Json, UserReader

AT_ONCE = 10
"""Maximum concurrent requests for one person."""


class PersonReader:
    """Reads single users. ``last``: the cursor of the last pull; None: it had none."""

    def __init__(self, api: Api, options: GoogleOptions, reader: UserReader, last: Cursor | None) -> None:
        self._api, self._options, self._reader, self._last = api, options, reader, last

    async def person(self, name: str, listed: Listed) -> Person | None:
        """The user with this id, address or alias; None if there is none, or the options leave the user out. Raises
        SourceError."""
        user = await self._user(name)
        if user is None or not self._is_read(user):
            return None
        record = self._reader.record(user)
        if record is None or isinstance(record, Unread):
            return record if record is None else Person(record)
        names = frozenset((record.id, *record.handles))
        groups = {group async for group in self._groups(record.id)}
        found: dict[str, frozenset[str]] = {}
        asked = (self._names(group, record.id) for group in sorted(groups | listed.keys()))
        async for group, by in concurrently(asked, AT_ONCE):
            if by & names:
                found[group] = by & names
        for group in self._everybody():
            found[group] = found.get(group, frozenset()) | {record.id}
        return Person(record, found)

    async def _user(self, name: str) -> Json | None:
        fields = self._reader.fields
        if fields is not None:
            fields = Fields(fields).need(["primaryEmail", "customerId"])
        try:
            return await self._api.user(name, None if fields is None else str(fields))
        except MissingError as error:
            if error.is_stated:
                return None
            raise

    def _is_read(self, user: Json) -> bool:
        """Whether a pull lists this user, apart from org units: by domain or customer."""
        options = self._options
        if options.domains is not None:
            return domain(str(user.get("primaryEmail", ""))) in options.domains
        return options.customer in (MY_CUSTOMER, user.get("customerId"))

    async def _groups(self, user: str) -> AsyncIterator[str]:
        fields = listing("groups", Fields().need(["id", "email"]))
        async for page in self._api.groups({"userKey": user}, fields):
            for group in page:
                if self._options.domains is None or domain(group.get("email", "")) in self._options.domains:
                    yield group["id"]

    async def _names(self, group: str, user: str) -> tuple[str, frozenset[str]]:
        """The names by which a group lists the user as a direct member."""
        try:
            member = await self._api.member(group, user, str(EDGE_FIELDS))
        except MissingError as error:
            if not error.is_stated:
                raise
            return group, await self._among_all(group, user)
        return group, edges([member]).named

    async def _among_all(self, group: str, user: str) -> frozenset[str]:
        """The user's id if the group has all users of the customer as members. Without a cursor, only the members say
        that."""
        if self._last is not None:
            return frozenset()
        try:
            pages = [page async for page in self._api.members(group, group, listing("members", EDGE_FIELDS))]
        except MissingError as error:
            if not error.is_stated:
                raise
            return frozenset()  # The group was deleted.
        return frozenset({user}) if edges(member for page in pages for member in page).everybody else frozenset()

    def _everybody(self) -> list[str]:
        return [] if self._last is None else self._last.everybody
