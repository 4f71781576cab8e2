"""Lets the synchronous client of scim2-client, which wants a WSGI application, talk to a server."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import httpx


class Forwarder:
    """A WSGI application that passes requests on, with a bearer token."""

    def __init__(self, url: str, token: str) -> None:
        authorization = {"authorization": f"Bearer {token}"}
        self._client = httpx.Client(base_url=url, headers=authorization, trust_env=False, timeout=60)

    def __call__(self, environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        path = environ["PATH_INFO"].lstrip("/")
        query = f"?{environ['QUERY_STRING']}" if environ.get("QUERY_STRING") else ""
        headers = {name[5:].replace("_", "-"): value for name, value in environ.items() if name.startswith("HTTP_")}
        headers.pop("HOST", None)
        if environ.get("CONTENT_TYPE"):
            headers["Content-Type"] = environ["CONTENT_TYPE"]
        body = environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0))
        answer = self._client.request(environ["REQUEST_METHOD"], path + query, headers=headers, content=body)
        start_response(f"{answer.status_code} {answer.reason_phrase}", list(answer.headers.items()))
        return [answer.content]
