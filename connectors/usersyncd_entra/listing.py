"""Reads plain lists for what delta queries do not support: conditions, the members of some groups, nested members."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Iterable, Mapping
from contextlib import aclosing

from msgspec import Struct, field

from usersyncd.errors import SourceError
from usersyncd.plugin import Kind, Page, Record, Unread
from usersyncd_entra.client import ADVANCED, LARGEST, Graph, for_each
from usersyncd_entra.client import Page as GraphPage
from usersyncd_entra.faults import NotFound
from usersyncd_entra.fields import Fields, present
from usersyncd_entra.forms import Unreadable
from usersyncd_entra.mapping import GROUP_TYPE, OTHER_TYPES
from usersyncd_entra.objects import End, Group, Item, Object
from usersyncd_entra.options import Groups, Users
from usersyncd_entra.rounds import GroupRound


class UserListing:
    """The users that the options select. ``ids`` are complete after all pages were read."""

    def __init__(self, graph: Graph, fields: Fields, only: Users) -> None:
        self.ids: set[str] = set()
        self._graph = graph
        self._fields = fields
        self._only = only
        self._unreadable = Unreadable()

    async def pages(self) -> AsyncGenerator[Page, None]:
        members = await self._members() if self._only.members_of else None
        managers = await self._managers() if self._fields.manager else {}
        link = _matching(self._graph, "users", self._only.filter, self._fields.select)
        async with aclosing(_counted(self._graph, link, Object)) as pages:
            async for found in pages:
                yield [
                    self._record(user, managers)
                    for user in found.value
                    if user["id"] not in self.ids and (members is None or user["id"] in members)
                ]
        self._unreadable.verify(len(self.ids))

    def _record(self, user: Object, managers: Mapping[str, End]) -> Record | Unread:
        identifier = user.pop("id")
        self.ids.add(identifier)
        manager = managers.get(identifier)
        malformed = "manager" if manager is not None and not manager.id else self._fields.malformed(user, whole=True)
        if malformed is not None:
            return self._unreadable.user(identifier, user, malformed)
        attributes = self._fields.attributes(user)
        if manager is not None and manager.removed is None:
            attributes["manager"] = manager.id
        return Record(Kind.USER, identifier, present(attributes))

    async def _members(self) -> set[str]:
        """The ids of the members of the groups in the options, including nested members."""
        found: set[str] = set()
        not_users = OTHER_TYPES | {GROUP_TYPE}

        async def of(group: str) -> None:
            link = self._graph.address(f"groups/{group}/transitiveMembers", select="id", top=LARGEST)
            async for page in self._graph.pages(link, End):
                if not all(member.id for member in page.value):
                    raise SourceError(
                        f"Microsoft Graph lists a member of the group {group} without an id, so the users to read are "
                        "unknown",
                        "the next run tries again; if this persists, contact Microsoft's support",
                    )
                found.update(member.id for member in page.value if member.type not in not_users)

        # The second reading finds a user who moved from a group that was not read yet to one that was.
        times = 1 if len(self._only.members_of) == 1 else 2
        for _ in range(times):
            await for_each(self._only.members_of, of)
        return found

    async def _managers(self) -> dict[str, End]:
        """The managers of all users. Lists with a condition do not have them; a delta query does."""
        found: dict[str, End] = {}
        async with aclosing(
            self._graph.round(self._graph.address("users/delta", select="manager"), _ManagersOfUser)
        ) as pages:
            async for page in pages:
                for user in page.value:
                    for manager in user.managers:
                        found[user.id] = manager
        return found


async def listed_groups(graph: Graph, fields: Fields, only: Groups) -> GroupRound:
    """The groups that the options select, with their members, as a complete round."""
    groups = GroupRound(fields, complete=True)
    ids: dict[str, None] = {}
    link = _matching(graph, "groups", only.filter, fields.select)
    async for found in _counted(graph, link, groups.item):
        ids.update((group.id, None) for group in found.value)
        groups.take(found.value)
    await read_members(graph, groups, ids, "transitiveMembers" if only.transitive else "members")
    return groups


async def read_members(graph: Graph, groups: GroupRound, ids: Iterable[str], which: str = "members") -> None:
    """Add the members of these groups to ``groups``, from lists. A group that does not exist is removed."""

    async def of(group: str) -> None:
        try:
            async for page in graph.pages(graph.address(f"groups/{group}/{which}", select="id", top=LARGEST), End):
                groups.take([Group(group, members=page.value)])
        except NotFound:
            groups.take([Group(group, removed=True)])

    await for_each(ids, of)


class _ManagersOfUser(Struct):
    """A user and the user's managers."""

    id: str
    managers: list[End] = field(name="manager@delta", default_factory=list)


def _matching(graph: Graph, path: str, condition: str | None, select: str) -> str:
    return graph.address(path, select=select, filter=condition, count="true", top=LARGEST)


async def _counted(graph: Graph, link: str, of: type[Item]) -> AsyncGenerator[GraphPage[Item], None]:
    """All pages of a list, compared with Graph's count to detect lost pages."""
    there = listed = 0
    async with aclosing(graph.pages(link, of, ADVANCED)) as pages:
        async for page in pages:
            there = max(there, page.count or 0)
            listed += len(page.value)
            yield page
    if listed < there:
        raise SourceError(
            f"Microsoft Graph counts {there} objects, but listed {listed}: {link}",
            "a page was lost, or the tenant is changing: the next run starts again",
        )
