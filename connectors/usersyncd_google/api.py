"""The Admin SDK: google-api-python-client builds the requests and parses the responses, from its bundled discovery
documents; the requests use the context's HTTP client."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Callable, Sequence
from datetime import UTC, datetime
from functools import cache
from typing import Any
from urllib.parse import quote, urlsplit

import httplib2
import httpx
from googleapiclient.discovery import build_from_document
from googleapiclient.discovery_cache import get_static_doc
from googleapiclient.http import HttpRequest

from usersyncd.errors import SourceError
from usersyncd_google.faults import request_error, server_time
from usersyncd_google.options import GoogleOptions

Json = dict[str, Any]

USERS, GROUPS, MEMBERS, ACTIVITIES = 500, 200, 200, 1000
"""Maximum items of a page (discovery documents ``directory_v1`` and ``reports_v1``)."""
LONGEST = 2048
"""Maximum length of a URL; a longer one is sent as a form, as google-api-python-client's own transport does."""
PAGES = 100_000
"""Maximum pages of a listing: 50 million users."""
IDLE = 200
"""Maximum consecutive pages without new items, before the listing counts as endless."""


class Api:
    """The requests of a pull, one method each. A refused request raises SourceError with Google's message."""

    def __init__(self, client: httpx.AsyncClient, options: GoogleOptions, scopes: Sequence[str]) -> None:
        self._client = client
        self._options = options
        self._scopes = scopes
        directory = _service("directory_v1", options.endpoint)
        self._users, self._groups, self._members = directory.users(), directory.groups(), directory.members()
        self._units = directory.orgunits()
        self._activities = _service("reports_v1", options.endpoint).activities()

    async def user(self, key: str, fields: str | None) -> Json:
        """One user by id or address. Raises MissingError."""
        found, _ = await self.user_and_time(key, fields)
        return found

    async def user_and_time(self, key: str, fields: str | None) -> tuple[Json, datetime]:
        """One user by id or address, with Google's own time. Raises MissingError."""
        request = self._users.get(userKey=key, fields=fields, projection="full")
        found, response = await self._execute(request, f"user {key}")
        return found, server_time(response) or datetime.now(UTC)

    async def group(self, key: str, fields: str | None) -> Json:
        """One group by id. Raises MissingError."""
        found, _ = await self._execute(self._groups.get(groupKey=key, fields=fields), f"group {key}")
        return found

    async def member(self, group: str, key: str, fields: str | None) -> Json:
        """One direct member of a group, both by id. Raises MissingError."""
        request = self._members.get(groupKey=group, memberKey=key, fields=fields)
        found, _ = await self._execute(request, f"member {key} of group {group}")
        return found

    async def unit(self, path: str) -> Json:
        """One org unit. Raises MissingError."""
        # The parameter is expanded with its slashes (RFC 6570, section 3.2.3), and with ? and # too.
        quoted = quote(path.lstrip("/"), safe="/")
        request = self._units.get(customerId=self._options.customer, orgUnitPath=quoted, fields="orgUnitPath")
        found, _ = await self._execute(request, f"org unit {path}")
        return found

    async def users(self, extent: Json, fields: str, projection: str) -> AsyncIterator[list[Json]]:
        """Users, page by page. ``extent``: ``customer`` or ``domain``, and optionally ``query``."""
        request = self._users.list(maxResults=USERS, fields=fields, projection=projection, **extent)
        async for page in self._pages(request, self._users.list_next, "users", _label("users", extent)):
            yield page

    async def groups(self, extent: Json, fields: str) -> AsyncIterator[list[Json]]:
        """Groups, page by page. ``extent``: ``customer``, ``domain`` or ``userKey``."""
        request = self._groups.list(maxResults=GROUPS, fields=fields, **extent)
        async for page in self._pages(request, self._groups.list_next, "groups", _label("groups", extent)):
            yield page

    async def members(self, group: str, name: str, fields: str) -> AsyncIterator[list[Json]]:
        """The direct members of a group, page by page; ``name`` is for errors. Raises MissingError."""
        request = self._members.list(groupKey=group, maxResults=MEMBERS, fields=fields)
        async for page in self._pages(request, self._members.list_next, "members", f"members of {name}"):
            yield page

    async def activities(self, application: str, since: str, fields: str) -> AsyncIterator[list[Json]]:
        """The activities of an application's log, newest first, page by page."""
        request = self._activities.list(
            userKey="all",
            applicationName=application,
            customerId=self._options.customer,
            startTime=since,
            maxResults=ACTIVITIES,
            fields=fields,
        )
        async for page in self._pages(request, self._activities.list_next, "items", f"audit log {application}"):
            yield page

    async def _pages(
        self, request: HttpRequest, following: Callable[[Any, Any], Any], collection: str, doing: str
    ) -> AsyncIterator[list[Json]]:
        """The pages of a listing. Google leaves out an empty collection."""
        tokens: set[str] = set()
        idle, before = 0, 0
        for _ in range(PAGES):
            reply, _ = await self._execute(request, doing)
            items, token = reply.get(collection, []), reply.get("nextPageToken", "")
            listed = isinstance(items, list) and all(map(_is_item, items))
            if "kind" not in reply or not listed or not isinstance(token, str):
                raise SourceError(
                    f"{doing}: {self._options.endpoint} answered with something that is not a list of {collection}",
                    "check the option endpoint, and the proxies between usersyncd and Google",
                )
            mark = hash(json.dumps(items[:1] + items[-1:]))
            idle, before = idle + 1 if mark == before or not items else 0, mark
            yield items
            if (request := following(request, reply)) is None:
                return
            if token in tokens or idle > IDLE:
                break
            tokens.add(token)
        raise SourceError(
            f"{doing}: Google repeats pages, so the listing has no end",
            "the next run tries again; if this persists, contact Google's support",
        )

    async def _execute(self, request: HttpRequest, doing: str) -> tuple[Json, httpx.Response]:
        if len(request.uri) > LONGEST:
            parts = urlsplit(request.uri)
            response = await self._client.post(
                parts._replace(query="").geturl(),
                content=parts.query,
                headers={"X-HTTP-Method-Override": "GET", "Content-Type": "application/x-www-form-urlencoded"},
                extensions={"repeatable": True},
            )
        else:
            response = await self._client.get(request.uri)
        if not response.is_success:
            raise request_error(response, doing, self._options, self._scopes)
        try:
            reply = request.postproc(httplib2.Response({"status": str(response.status_code)}), response.content)
        except ValueError as error:
            reply = error
        if not isinstance(reply, dict):
            raise SourceError(
                f"{doing}: {self._options.endpoint} answered with incomplete or invalid JSON",
                "check the proxies between usersyncd and Google",
            )
        return reply, response


def properties(resource: str) -> frozenset[str]:
    """The names of the properties of a resource (``User``, ``Group``)."""
    return frozenset(_document("directory_v1")["schemas"][resource]["properties"])


def _is_item(item: object) -> bool:
    """Whether this is an object whose id is text or, in the logs, an object."""
    return isinstance(item, dict) and isinstance(item.get("id", ""), str | dict)


def _label(what: str, extent: Json) -> str:
    return what + "".join(f" of {value}" for name, value in extent.items() if value != "my_customer")


@cache
def _document(version: str) -> Json:
    found: Json = json.loads(get_static_doc("admin", version))
    return found


@cache
def _service(version: str, endpoint: str) -> Any:
    # The library requires a connection, which is never used.
    return build_from_document(
        _document(version), http=httplib2.Http(), client_options={"api_endpoint": endpoint + "/"}
    )
