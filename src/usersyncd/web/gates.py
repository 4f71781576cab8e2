"""Gates in front of routes: a request passes with the right token and within its quota."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence

from msgspec import Struct
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send

from usersyncd.config.web import Network, Role
from usersyncd.web.answers import busy, refusal
from usersyncd.web.auth import Credentials, Doorkeeper, bearer
from usersyncd.web.bucket import RequestBucket
from usersyncd.web.clients import client_address
from usersyncd.web.limits import BODY_LIMIT
from usersyncd.web.oauth import OAuthClient

TOKEN = "usersyncd.token"  # noqa: S105 - the key of its name in the scope
"""The key of a scope under which the name of the token stands that opened the gate."""
NOBODY = Credentials(())
"""What opens a directory that does not exist."""
API_PER_MINUTE = 600
"""How many requests each token of the API may make."""


class Entrance(Struct, frozen=True):
    """What opens one directory that pushes: its tokens, or access tokens of its client; and how much it may send.
    ``body``: the bytes of the largest body. ``used``: is called with the name of each token that opened it."""

    credentials: Credentials
    client: OAuthClient | None
    bucket: RequestBucket
    body: int
    used: Callable[[str], None]

    def name_of(self, token: str | None) -> str | None:
        """The name of a token that opens it; None: it does not."""
        name = self.credentials.name_of(token)
        if name is None and token is not None and self.client is not None and self.client.accepts(token, time.time()):
            return self.client.client_id
        return name


class DirectoryGate:
    """In front of the routes of directories that push, ``/scim/v2/<directory>/``. ``entrances``: by directory; None:
    its tokens cannot be read."""

    def __init__(
        self, app: ASGIApp, entrances: Mapping[str, Entrance | None], doorkeeper: Doorkeeper, proxies: Sequence[Network]
    ) -> None:
        self._app = app
        self._entrances = entrances
        self._doorkeeper = doorkeeper
        self._proxies = proxies

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        answer = self._stop(scope)
        await (self._app if answer is None else answer)(scope, receive, send)

    def _stop(self, scope: Scope) -> Response | None:
        """The answer to a request that must not pass."""
        directory, token = scope["path_params"]["directory"], bearer(scope)
        entrance = self._entrances.get(directory)
        if entrance is None and directory in self._entrances:
            return busy(scope, "the tokens of this directory cannot be read: see the log of usersyncd", 60)
        name = NOBODY.name_of(token) if entrance is None else entrance.name_of(token)
        if entrance is None or name is None:
            address = client_address(scope, self._proxies)
            absent = "there is no such directory" if entrance is None else None
            return self._doorkeeper.refuse(scope, address, has_token=token is not None, absent=absent)
        entrance.used(name)
        if seconds := entrance.bucket.take():
            return refusal(
                scope, 429, "the directory sends more requests than its quota", {"retry-after": str(seconds)}
            )
        scope[TOKEN], scope[BODY_LIMIT] = name, entrance.body
        return None


class ApiUser(Struct, frozen=True):
    """A program that uses the API, by the name and the role of its token."""

    name: str
    role: Role


class ApiGate:
    """Recognizes the programs that use the API."""

    def __init__(
        self,
        credentials: Credentials,
        roles: Mapping[str, Role],
        doorkeeper: Doorkeeper,
        proxies: Sequence[Network],
    ) -> None:
        self._credentials = credentials
        self._roles = roles
        self._doorkeeper = doorkeeper
        self._proxies = proxies
        self._buckets = {name: RequestBucket(API_PER_MINUTE) for name in roles}

    def enter(self, request: Request, role: Role) -> ApiUser | Response:
        """Who asks; or the answer, if they may not do what requires ``role``."""
        scope, token = request.scope, bearer(request.scope)
        name = self._credentials.name_of(token)
        if name is None:
            return self._doorkeeper.refuse(scope, client_address(scope, self._proxies), has_token=token is not None)
        if seconds := self._buckets[name].take():
            return refusal(
                scope, 429, f"more than {API_PER_MINUTE} requests in a minute", {"retry-after": str(seconds)}
            )
        if role == "operator" and self._roles[name] != "operator":
            return refusal(scope, 403, f"the token {name} only reads: this needs the role operator")
        return ApiUser(name, self._roles[name])
