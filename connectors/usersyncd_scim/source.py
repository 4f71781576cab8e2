"""The source ``scim``: a directory that pushes. There is nothing to read."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from typing import ClassVar

from pydantic import BaseModel

from usersyncd.plugin import API, AccessToken, ClientCredentials, Done, Kind, Page, Quota, Receiving, SourceContext
from usersyncd_scim.mapping import MAPPING
from usersyncd_scim.options_source import ScimSourceOptions

CURSOR = "pushed"


class ScimSource:
    """A directory that pushes its changes. The snapshot has what it pushed; a pull adds nothing."""

    api: ClassVar[int] = API
    Options: ClassVar[type[BaseModel]] = ScimSourceOptions
    mapping: ClassVar[Mapping[Kind, Mapping[str, str]]] = MAPPING

    def __init__(self, options: ScimSourceOptions, context: SourceContext) -> None:
        self._options = options
        self._context = context

    @classmethod
    def receiving(cls, options: ScimSourceOptions) -> Receiving:
        """How the provider pushes to this directory."""
        oauth = options.oauth
        return Receiving(
            tokens=tuple(AccessToken(token.name, token.secret) for token in options.tokens),
            client=ClientCredentials(oauth.client_id, oauth.client_secret) if oauth is not None else None,
            quota=Quota(options.quota.requests_per_minute, options.quota.body),
        )

    async def pull(self, cursor: str | None) -> AsyncIterator[Page | Done]:  # noqa: ARG002 - there is nothing to read
        """Nothing: what was not pushed again did not change."""
        yield Done(CURSOR, complete=False)

    async def check(self) -> Sequence[str]:
        """Open every secret. Raises ConfigError."""
        for token in self._options.tokens:
            self._context.secret(token.secret)
        if self._options.oauth is not None:
            self._context.secret(self._options.oauth.client_secret)
        names = " and ".join(token.name for token in self._options.tokens)
        return [f"receives pushes by SCIM 2.0, opened by {names}"]
