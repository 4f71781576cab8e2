"""The Entra source: pulls users and groups, by rounds of changes or complete."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import aclosing, asynccontextmanager
from typing import ClassVar

from pydantic import BaseModel

from usersyncd.plugin import API, Done, Kind, Listed, Page, Person, SourceContext
from usersyncd_entra.client import Graph, patience
from usersyncd_entra.cursor import read_cursor
from usersyncd_entra.describe import describe
from usersyncd_entra.faults import CursorExpired, reporting_unknown_forms
from usersyncd_entra.fields import Fields
from usersyncd_entra.mapping import MAPPING
from usersyncd_entra.options import EntraOptions
from usersyncd_entra.person import PersonReader
from usersyncd_entra.pull import Pull
from usersyncd_entra.signin import SignIn


class EntraSource:
    """Users, groups and memberships of a tenant of Entra ID, by Microsoft Graph.

    Records are keyed by their object id. A pull reads the delta queries of users and groups to their ends, and its
    cursor holds both delta links. With options that delta queries do not support, every pull is complete.
    """

    api: ClassVar[int] = API
    Options: ClassVar[type[BaseModel]] = EntraOptions
    mapping: ClassVar[Mapping[Kind, Mapping[str, str]]] = MAPPING

    def __init__(self, options: EntraOptions, context: SourceContext) -> None:
        self._options = options
        self._context = context

    async def pull(self, cursor: str | None) -> AsyncIterator[Page | Done]:
        """Read the changes, or everything. Raises SourceError when it cannot be read to its end."""
        async with self._graph() as graph:
            fields = {kind: Fields(kind, self._context.reads[kind]) for kind in Kind}
            narrowed = self._options.users.narrowed or self._options.groups.narrowed
            pull = Pull(graph, self._options, fields, self._context.log)
            since = read_cursor(cursor, pull.select)
            if since is not None and not narrowed:
                try:
                    async with aclosing(pull.changes(since)) as pages:
                        async for page in pages:
                            yield page
                except CursorExpired as error:
                    self._context.log.info(
                        "the cursor has expired: reading everything",
                        event_name="entra.cursor_expired",
                        said=error.said,
                    )
                else:
                    yield Done(pull.cursor, complete=False)
                    return
            async with aclosing(pull.everything()) as pages:
                async for page in pages:
                    yield page
            yield Done(None if narrowed else pull.cursor, complete=True)

    async def person(self, name: str, _listed: Listed) -> Person | None:
        """Read one user by object id, user principal name or mail address. Raises AmbiguousPersonError, SourceError."""
        async with self._graph() as graph:
            fields = Fields(Kind.USER, self._context.reads[Kind.USER])
            return await PersonReader(graph, self._options, fields).person(name)

    async def check(self) -> Sequence[str]:
        """Sign in, and describe the tenant and the permissions. Raises SourceError that names each missing
        permission."""
        async with self._graph() as graph:
            return await describe(graph, self._options)

    @asynccontextmanager
    async def _graph(self) -> AsyncIterator[Graph]:
        options = self._options
        async with self._context.http(patience(options), ca_file=options.ca_file, proxy=options.proxy) as client:
            with reporting_unknown_forms():
                yield Graph(options, client, SignIn(options, self._context, client))
