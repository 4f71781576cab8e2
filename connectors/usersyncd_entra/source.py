"""The loop: users, then groups, each as a round of changes or as a list of everything."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import aclosing, asynccontextmanager
from typing import ClassVar

from pydantic import BaseModel

from usersyncd.plugin import API, Done, Kind, Page, SourceContext
from usersyncd_entra.client import Graph, patience
from usersyncd_entra.cursor import read_cursor
from usersyncd_entra.describe import describe
from usersyncd_entra.faults import CursorExpired, understood
from usersyncd_entra.fields import Fields
from usersyncd_entra.mapping import MAPPING
from usersyncd_entra.options import EntraOptions
from usersyncd_entra.pull import Pull
from usersyncd_entra.signin import SignIn


class EntraSource:
    """Users, groups and memberships of a tenant of Entra ID, by Microsoft Graph.

    Records are keyed by their object id. A pull reads the delta query of users and that of groups to their ends, and
    its cursor holds both delta links. Where options ask for what delta queries cannot do, every pull lists everything.
    """

    api: ClassVar[int] = API
    Options: ClassVar[type[BaseModel]] = EntraOptions
    mapping: ClassVar[Mapping[Kind, Mapping[str, str]]] = MAPPING

    def __init__(self, options: EntraOptions, context: SourceContext) -> None:
        self._options = options
        self._context = context

    async def pull(self, cursor: str | None) -> AsyncIterator[Page | Done]:
        """Read what changed, or everything. Raises SourceError when it could not be read to its end."""
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
                        "Graph does not know the last reading any more: reading all",
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

    async def check(self) -> Sequence[str]:
        """Sign in, and say what is there and what may be read. Raises SourceError, naming each missing permission."""
        async with self._graph() as graph:
            return await describe(graph, self._options)

    @asynccontextmanager
    async def _graph(self) -> AsyncIterator[Graph]:
        options = self._options
        async with self._context.http(patience(options), ca_file=options.ca_file, proxy=options.proxy) as client:
            with understood():
                yield Graph(options, client, SignIn(options, self._context, client))
