"""One pull: reads rounds or lists, and verifies that they are complete."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import aclosing
from datetime import datetime, timedelta
from operator import attrgetter
from typing import Any

from usersyncd.errors import SourceError
from usersyncd.plugin import Kind, Members, Page, Present
from usersyncd_entra.client import LARGEST, Graph, for_each
from usersyncd_entra.cursor import Cursor
from usersyncd_entra.faults import NotFound, missing_permission
from usersyncd_entra.fields import Fields
from usersyncd_entra.listing import UserListing, listed_groups, read_members
from usersyncd_entra.mapping import BORN, HIDDEN
from usersyncd_entra.objects import End, Object
from usersyncd_entra.options import EntraOptions
from usersyncd_entra.rounds import GroupRound, UserRound

MINIMAL = {"Prefer": "return=minimal"}
"""Requests a round of changes with the changed properties only (learn.microsoft.com/graph/api/user-delta)."""
OLD = timedelta(hours=1)
"""Age from which an object that is missing in a complete round counts as lost; a younger one may be too new for the
round."""


class Pull:
    """Reads from ``graph``. After :meth:`changes` or :meth:`everything`, the links are the start of the next pull."""

    def __init__(self, graph: Graph, options: EntraOptions, fields: Mapping[Kind, Fields], log: Any) -> None:
        self.users_link = ""
        self.groups_link = ""
        self._graph = graph
        self._options = options
        self._fields = fields
        self._log = log
        self._lost = False
        """Whether a change could not be read: no later round repeats it."""

    @property
    def select(self) -> str:
        """The requested properties: a cursor with other properties cannot be used."""
        return f"{','.join(self._fields[Kind.USER].asked)};{','.join(self._fields[Kind.GROUP].asked)}"

    @property
    def cursor(self) -> str | None:
        """The cursor for the next pull. None: it must read everything."""
        return None if self._lost else Cursor(self.users_link, self.groups_link, self.select).write()

    async def everything(self) -> AsyncGenerator[Page, None]:
        """Complete rounds of users and groups, or lists where the options have conditions.

        Groups are read after users, not concurrently: a user who is restored in between is in the next round of users,
        which then requests the user's groups. In the other order, a group would be read without the user, and no later
        round would correct it.
        """
        await may_read_hidden(self._graph, self._options)
        scope: set[str] | None = None
        if self._options.users.narrowed:
            listing = UserListing(self._graph, self._fields[Kind.USER], self._options.users)
            users, scope = listing.pages(), listing.ids
        else:
            users = self._all_users()
        async with aclosing(users) as pages:
            async for page in pages:
                yield page
        groups, unseen = await self._groups()
        yield unseen
        for each in groups.pages(scope):
            yield each
        if groups.restored:
            found = await self._memberships([f"groups/{identifier}" for identifier in groups.restored])
            yield [each for each in found if groups.reads(each.group)]
        self._log_left_out(groups)

    async def changes(self, since: Cursor) -> AsyncGenerator[Page, None]:
        """Rounds of changes. Raises CursorExpired before the first page."""
        await may_read_hidden(self._graph, self._options)
        users = UserRound(self._fields[Kind.USER], complete=False)
        groups = GroupRound(self._fields[Kind.GROUP], complete=False)
        # Groups first, so that an expired link is detected before the first page: groups are kept until the end anyway.
        async with aclosing(self._graph.round(since.groups, groups.item, MINIMAL, from_cursor=True)) as pages:
            async for page in pages:
                groups.take(page.value)
                self.groups_link = page.delta_link or ""
        async with aclosing(self._graph.round(since.users, Object, MINIMAL, from_cursor=True)) as people:
            async for some in people:
                yield users.take(some.value)
                self.users_link = some.delta_link or ""
        # A complete object is new or restored. No round lists memberships that were reported while a user was deleted,
        # nor members that left a group while it was deleted. Lists may lag, so the rounds' items come last.
        if users.whole or groups.whole:
            yield await self._memberships(
                [*(f"users/{user}" for user in users.whole), *(f"groups/{group}" for group in groups.whole)]
            )
        if groups.whole:
            again = GroupRound(self._fields[Kind.GROUP], complete=True)
            await read_members(self._graph, again, groups.whole)
            yield again.wholes()
            self._lost = self._lost or again.malformed
        for each in groups.pages():
            yield each
        self._lost = self._lost or groups.malformed or bool(users.unreadable)
        self._log_left_out(groups)

    async def _all_users(self) -> AsyncGenerator[Page, None]:
        began: datetime | None = None
        users = UserRound(self._fields[Kind.USER], complete=True)
        link = self._graph.address("users/delta", select=",".join(self._fields[Kind.USER].asked))
        async with aclosing(self._graph.round(link, Object)) as pages:
            async for page in pages:
                began = began or self._graph.time
                yield users.take(page.value)
                self.users_link = page.delta_link or ""
        users.unreadable.verify(len(users))
        yield await self._unseen(Kind.USER, users, began or self._graph.time)

    async def _groups(self) -> tuple[GroupRound, Page]:
        only = self._options.groups
        if only.narrowed:
            return await listed_groups(self._graph, self._fields[Kind.GROUP], only), []
        began: datetime | None = None
        groups = GroupRound(self._fields[Kind.GROUP], complete=True)
        link = self._graph.address("groups/delta", select=",".join([*self._fields[Kind.GROUP].asked, "members"]))
        async with aclosing(self._graph.round(link, groups.item)) as pages:
            async for page in pages:
                began = began or self._graph.time
                groups.take(page.value)
                self.groups_link = page.delta_link or ""
        return groups, await self._unseen(Kind.GROUP, groups, began or self._graph.time)

    async def _unseen(self, kind: Kind, found: UserRound | GroupRound, began: datetime) -> list[Present]:
        """The objects that exist although a round does not contain them. Raises SourceError if a page was lost.

        A lost page leaves no trace in a round, and its objects would count as deleted. So the objects are counted. If
        the number differs, their ids and ages show which are missing. Objects that were created after the round began
        will be in the next one. Slightly older ones may be too new for the round, and keep their last state.
        """
        path = f"{kind}s"
        there = await self._graph.count(path)
        if kind is Kind.USER and len(found) == 0:
            raise SourceError(
                f"{self._options.graph} lists no users, but every tenant has some", "check the option tenant"
            )
        if len(found) == there:
            return []
        link = self._graph.address(path, select=f"id,{BORN}", top=LARGEST)
        pages = self._graph.pages(link, Object)
        born = {item["id"]: _created_at(item) async for page in pages for item in page.value if item["id"] not in found}
        missing = [each for each, moment in born.items() if moment < began.isoformat()]
        if lost := [each for each in missing if born[each] < (began - OLD).isoformat()]:
            raise SourceError(
                f"the delta query of {path} left out {len(lost)} of {there} existing objects, such as {lost[0]}",
                "a page was lost: the next run starts again",
            )
        return [Present(kind, each) for each in missing]

    async def _memberships(self, ends: Sequence[str]) -> list[Members]:
        """The memberships of users and groups, which are given by their paths."""
        groups: dict[str, set[str]] = {}

        async def of(path: str) -> None:
            link = self._graph.address(f"{path}/memberOf/microsoft.graph.group", select="id", top=LARGEST)
            try:
                async for page in self._graph.pages(link, End):
                    if not all(group.id for group in page.value):
                        self._log.warning(
                            "a group without an id was skipped", event_name="entra.group_without_id", member=path
                        )
                        self._lost = True
                    for group in filter(attrgetter("id"), page.value):
                        groups.setdefault(group.id, set()).add(path.partition("/")[2])
            except NotFound:
                return  # Deleted again: the next round reports it.

        await for_each(ends, of)
        self._log.info(
            "read the memberships of new and restored objects",
            event_name="entra.memberships_read",
            objects=len(ends),
            groups=len(groups),
        )
        return [Members(group, frozenset(members)) for group, members in groups.items()]

    def _log_left_out(self, groups: GroupRound) -> None:
        if total := sum(groups.others.values()):
            self._log.info(
                "members that are neither users nor groups were left out",
                event_name="entra.members_left_out",
                count=total,
                **dict(groups.others),
            )
        if groups.hidden and not self._options.groups.hidden:
            self._log.warning(
                "groups with hidden membership were read without members",
                event_name="entra.members_hidden",
                groups=groups.hidden,
                remedy=f"grant {HIDDEN}, and set groups: {{hidden: true}}",
            )
        if groups.outside:
            self._log.info(
                "memberships of users outside the options were skipped",
                event_name="entra.members_outside",
                count=groups.outside,
            )


async def may_read_hidden(graph: Graph, options: EntraOptions) -> None:
    """Raises SourceError when the permission is missing, because groups with hidden membership would look empty."""
    if options.groups.hidden:
        await graph.signin.token()
        permissions = graph.signin.permissions
        if permissions is not None and HIDDEN not in permissions:
            raise missing_permission(HIDDEN, options.client_id, "the hidden members of groups may not be read")


def _created_at(item: Object) -> str:
    """The creation time of an object; empty, and so counted as old, where Graph does not send text."""
    born = item.get(BORN)
    return born if isinstance(born, str) else ""
