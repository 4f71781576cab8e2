"""Gates in front of routes: a request passes with the right token and within its quota."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence

from msgspec import Struct
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send

from usersyncd.config.web import Network, Role
from usersyncd.web.answers import busy, refusal, too_many
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
    """What opens one thing: its tokens, or the access tokens of its client. ``wait``: counts a request with the token
    of this name, and returns the seconds for which its quota is used up, or 0."""

    credentials: Credentials
    wait: Callable[[str], int]
    client: OAuthClient | None = None

    def name_of(self, token: str | None) -> str | None:
        """The name of a token that opens it; None: it does not."""
        name = self.credentials.name_of(token)
        if name is None and token is not None and self.client is not None and self.client.accepts(token, time.time()):
            return self.client.client_id
        return name


class Gate:
    """Lets requests through to the things of one kind. ``what`` names the kind; ``entrances``: each thing by its name;
    None: its tokens cannot be read."""

    def __init__(
        self,
        what: str,
        entrances: Mapping[str, Entrance | None],
        doorkeeper: Doorkeeper,
        proxies: Sequence[Network],
        used: Callable[[str, str], None] = lambda _thing, _token: None,
    ) -> None:
        """``used`` is called with the name of the thing and of the token that opened it."""
        self._what = what
        self._entrances = entrances
        self._doorkeeper = doorkeeper
        self._proxies = proxies
        self._used = used

    def enter(self, scope: Scope, thing: str) -> str | Response:
        """The name of the token that opens ``thing``; or the answer to a request that must not pass."""
        token, entrance = bearer(scope), self._entrances.get(thing)
        if entrance is None and thing in self._entrances:
            return busy(scope, f"the tokens of this {self._what} cannot be read: see the log of usersyncd", 60)
        name = NOBODY.name_of(token) if entrance is None else entrance.name_of(token)
        if entrance is None or name is None:
            address = client_address(scope, self._proxies)
            absent = f"there is no such {self._what}" if entrance is None else None
            return self._doorkeeper.refuse(scope, address, has_token=token is not None, absent=absent)
        self._used(thing, name)
        if seconds := entrance.wait(name):
            return too_many(scope, f"more requests than the quota of this {self._what}", seconds)
        return name


class DirectoryGate:
    """In front of the routes of directories that push, ``/scim/v2/<directory>/``. ``bodies``: the bytes of the largest
    body that each takes."""

    def __init__(self, app: ASGIApp, gate: Gate, bodies: Mapping[str, int]) -> None:
        self._app = app
        self._gate = gate
        self._bodies = bodies

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        directory = scope["path_params"]["directory"]
        token = self._gate.enter(scope, directory)
        if isinstance(token, Response):
            await token(scope, receive, send)
            return
        scope[TOKEN], scope[BODY_LIMIT] = token, self._bodies[directory]
        await self._app(scope, receive, send)


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
        buckets = {name: RequestBucket(API_PER_MINUTE) for name in roles}
        entrance = Entrance(credentials, lambda name: buckets[name].take())
        self._gate = Gate("API", {"API": entrance}, doorkeeper, proxies)
        self._roles = roles

    def enter(self, request: Request, role: Role) -> ApiUser | Response:
        """Who asks; or the answer, if they may not do what requires ``role``."""
        name = self._gate.enter(request.scope, "API")
        if isinstance(name, Response):
            return name
        if role == "operator" and self._roles[name] != "operator":
            return refusal(request.scope, 403, f"the token {name} only reads: this needs the role operator")
        return ApiUser(name, self._roles[name])
