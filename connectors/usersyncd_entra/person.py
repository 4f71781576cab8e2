"""Reads one user and the user's groups, as a pull would read them."""

from __future__ import annotations

import re

from usersyncd.errors import AmbiguousPersonError, SourceError
from usersyncd.plugin import Kind, Person, Record
from usersyncd_entra.client import ADVANCED, LARGEST, Graph
from usersyncd_entra.faults import NotFound
from usersyncd_entra.fields import Fields, present
from usersyncd_entra.forms import Unreadable
from usersyncd_entra.objects import End, Object
from usersyncd_entra.options import EntraOptions
from usersyncd_entra.pull import may_read_hidden

_TYPE = "@odata.type"
_is_identifier = re.compile("[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}").fullmatch


class PersonReader:
    """Reads single users from ``graph``. ``fields``: the properties of users that a pull reads."""

    def __init__(self, graph: Graph, options: EntraOptions, fields: Fields) -> None:
        self._graph = graph
        self._options = options
        self._fields = fields

    async def person(self, name: str) -> Person | None:
        """The user with this id, user principal name or mail address; None if there is none, or the options leave the
        user out. Raises AmbiguousPersonError, SourceError."""
        await may_read_hidden(self._graph, self._options)
        user = await self._user(name) or await self._user(await self._identifier(name))
        if user is None or not await self._is_read(user["id"]):
            return None
        identifier = user.pop("id")
        if malformed := self._fields.malformed(user, whole=True):
            return Person(Unreadable().user(identifier, user, malformed))
        attributes = present(self._fields.attributes(user))
        groups = await self._groups(identifier)
        return Person(Record(Kind.USER, identifier, attributes), dict.fromkeys(groups, frozenset({identifier})))

    async def _user(self, identifier: str | None) -> Object | None:
        """The user with this id. A soft-deleted user does not exist (learn.microsoft.com/graph/api/user-get)."""
        if identifier is None or not _is_identifier(identifier):
            return None
        expand = "manager($select=id)" if self._fields.manager else None
        link = self._graph.address(f"users/{identifier}", select=f"id,{self._fields.select}", expand=expand)
        try:
            user = await self._graph.object(link)
        except NotFound as error:
            if error.is_stated:
                return None
            raise
        if self._fields.manager:
            manager = user.pop("manager", None)
            user["manager@delta"] = [manager] if manager else []
        return {key: value for key, value in user.items() if not key.startswith("@") or key == _TYPE}

    async def _identifier(self, name: str) -> str | None:
        """The id of the only user with this user principal name or mail address."""
        text = name.replace("'", "''")
        condition = f"userPrincipalName eq '{text}' or mail eq '{text}'"
        link = self._graph.address("users", select="id", filter=condition, top=LARGEST)
        found = [user["id"] async for page in self._graph.pages(link, Object) for user in page.value]
        if len(found) > 1:
            raise AmbiguousPersonError(
                f"{len(found)} users of the tenant have the user name or mail “{name}”: {', '.join(found)}",
                "ask for one of these object ids",
            )
        return found[0] if found else None

    async def _is_read(self, user: str) -> bool:
        """Whether the options select this user. Raises SourceError when a group in the options does not exist: a pull
        would fail, too."""
        only = self._options.users
        if only.filter is not None:
            link = self._graph.address(
                "users", select="id", filter=f"id eq '{user}' and ({only.filter})", count="true", top=1
            )
            found = [each["id"] async for page in self._graph.pages(link, Object, ADVANCED) for each in page.value]
            if user not in found:
                return False
        if only.members_of and (await self._groups(user, "transitiveMemberOf")).isdisjoint(only.members_of):
            for group in only.members_of:
                await self._graph.object(self._graph.address(f"groups/{group}", select="id"))
            return False
        return True

    async def _groups(self, user: str, which: str | None = None) -> set[str]:
        """The groups that have the user as a member, as the option groups.transitive says."""
        which = which or ("transitiveMemberOf" if self._options.groups.transitive else "memberOf")
        link = self._graph.address(f"users/{user}/{which}/microsoft.graph.group", select="id", top=LARGEST)
        found = {group.id async for page in self._graph.pages(link, End) for group in page.value}
        if "" in found:
            raise SourceError(
                f"Microsoft Graph lists a group of the user {user} without an id",
                "the next pull reads the groups; if this persists, contact Microsoft's support",
            )
        return found
