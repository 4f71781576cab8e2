"""The source ``scim``: a directory that pushes, of which there is nothing to read, or a service provider that is
pulled."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import aclosing, asynccontextmanager
from typing import ClassVar

from pydantic import BaseModel

from usersyncd.errors import SourceError
from usersyncd.plugin import (
    API,
    Done,
    Kind,
    Page,
    Receiving,
    Secret,
    SourceContext,
    refuse_short_token,
)
from usersyncd_scim import profile as profiles
from usersyncd_scim.mapping import MAPPING
from usersyncd_scim.options_source import ScimSourceOptions
from usersyncd_scim.pull import ServicePull
from usersyncd_scim.service import ServiceProvider

CURSOR = "pushed"


class ScimSource:
    """A directory that pushes its changes: the snapshot has what it pushed, and a pull adds nothing. With ``url``, a
    service provider: every pull reads all its users, groups and memberships."""

    api: ClassVar[int] = API
    Options: ClassVar[type[BaseModel]] = ScimSourceOptions
    mapping: ClassVar[Mapping[Kind, Mapping[str, str]]] = MAPPING

    def __init__(self, options: ScimSourceOptions, context: SourceContext) -> None:
        self._options = options
        self._context = context

    @classmethod
    def receiving(cls, options: ScimSourceOptions) -> Receiving | None:
        """How the provider pushes to this directory; None: it is pulled."""
        if not options.tokens:
            return None
        return Receiving(tuple(options.tokens), options.oauth, options.quota)

    async def pull(self, cursor: str | None) -> AsyncIterator[Page | Done]:  # noqa: ARG002 - every pull reads all
        """Everything that the service provider holds; nothing of a directory that pushes, since what was not pushed
        again did not change. Raises SourceError."""
        options = self._options
        if options.url is None or options.token is None:
            yield Done(CURSOR, complete=False)
            return
        async with self._connected(options.url, options.token) as pull, aclosing(pull.pages()) as pages:
            async for page in pages:
                yield page
        yield Done(None, complete=True)

    async def check(self) -> Sequence[str]:
        """Open every secret, and ask a service provider for a user and a group. Raises ConfigError and SourceError."""
        options = self._options
        if options.url is None or options.token is None:
            for token in options.tokens:
                refuse_short_token(self._context.secret(token.secret), f"the token {token.name}", SourceError)
            if options.oauth is not None:
                self._context.secret(options.oauth.client_secret)
            names = " and ".join(token.name for token in options.tokens)
            return [f"receives pushes by SCIM 2.0, opened by {names}"]
        async with self._connected(options.url, options.token) as pull:
            return [f"{options.url}, profile {options.profile}", *await pull.check()]

    @asynccontextmanager
    async def _connected(self, url: str, token: Secret) -> AsyncIterator[ServicePull]:
        options, context = self._options, self._context
        profile = profiles.load(options.profile, context.folder, {})
        service = ServiceProvider(url, token, options.ca_file, profile, context)
        try:
            yield ServicePull(service, profile, options.profile, context.reads)
        finally:
            await service.close()
