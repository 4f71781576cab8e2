"""Plain lists, for what delta queries cannot do: conditions, the members of some groups, nested members."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Mapping
from contextlib import aclosing

from usersyncd.errors import SourceError
from usersyncd.plugin import Kind, Page, Record
from usersyncd_entra.client import ADVANCED, LARGEST, Graph, for_each
from usersyncd_entra.client import Page as GraphPage
from usersyncd_entra.faults import Vanished
from usersyncd_entra.fields import Fields, Object, present
from usersyncd_entra.mapping import USER_TYPE
from usersyncd_entra.options import Groups, Users
from usersyncd_entra.rounds import GroupRound


class UserListing:
    """The users that the options name. ``ids`` are theirs, once all pages were read."""

    def __init__(self, graph: Graph, fields: Fields, only: Users) -> None:
        self.ids: set[str] = set()
        self._graph = graph
        self._fields = fields
        self._only = only

    async def pages(self) -> AsyncGenerator[Page, None]:
        members = await self._members() if self._only.members_of else None
        managers = await self._managers() if self._fields.manager else {}
        async with aclosing(_matching(self._graph, "users", self._only.filter, self._fields.select)) as pages:
            async for found in pages:
                yield [
                    self._record(user, managers)
                    for user in found.value
                    if user["id"] not in self.ids and (members is None or user["id"] in members)
                ]

    def _record(self, user: Object, managers: Mapping[str, str]) -> Record:
        identifier = user.pop("id")
        self.ids.add(identifier)
        attributes = self._fields.attributes(user)
        if manager := managers.get(identifier):
            attributes["manager"] = manager
        return Record(Kind.USER, identifier, present(attributes))

    async def _members(self) -> set[str]:
        """Who is in the groups that the options name, through nested groups too."""
        found: set[str] = set()

        async def of(group: str) -> None:
            link = self._graph.address(f"groups/{group}/transitiveMembers", select="id", top=LARGEST)
            async for page in self._graph.pages(link):
                found.update(member["id"] for member in page.value if member.get("@odata.type") == USER_TYPE)

        await for_each(self._only.members_of, of)
        return found

    async def _managers(self) -> dict[str, str]:
        """Who leads whom. No list with a condition tells it; a delta query tells of everybody."""
        found: dict[str, str] = {}
        async with aclosing(self._graph.round(self._graph.address("users/delta", select="manager"))) as pages:
            async for page in pages:
                for user in page.value:
                    for end in user.get("manager@delta", ()):
                        found[user["id"]] = "" if "@removed" in end else end["id"]
        return found


async def listed_groups(graph: Graph, fields: Fields, only: Groups) -> GroupRound:
    """The groups that the options name, with their members, as a complete round would tell them."""
    groups = GroupRound(fields, complete=True)
    ids: dict[str, None] = {}
    async for found in _matching(graph, "groups", only.filter, fields.select):
        ids.update((group["id"], None) for group in found.value)
        groups.take(found.value)
    which = "transitiveMembers" if only.transitive else "members"

    async def members(group: str) -> None:
        try:
            async for page in graph.pages(graph.address(f"groups/{group}/{which}", select="id", top=LARGEST)):
                groups.take([{"id": group, "members@delta": page.value}])
        except Vanished:
            groups.take([{"id": group, "@removed": {"reason": "changed"}}])

    await for_each(ids, members)
    return groups


async def _matching(graph: Graph, path: str, condition: str | None, select: str) -> AsyncGenerator[GraphPage, None]:
    """The objects that meet a condition. They are counted too, so that a lost page is noticed."""
    link = graph.address(path, select=select, filter=condition, count="true", top=LARGEST)
    there = listed = 0
    async with aclosing(graph.pages(link, ADVANCED)) as pages:
        async for page in pages:
            there = max(there, page.count or 0)
            listed += len(page.value)
            yield page
    if listed < there:
        raise SourceError(
            f"Microsoft Graph counts {there} {path}, and listed {listed}",
            "something between here and there lost a page, or the tenant changes: the next run reads from the start",
        )
