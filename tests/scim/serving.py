"""The SCIM service over real HTTP, on a free port of this machine."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any

import httpx
import uvicorn
from starlette.applications import Starlette

from usersyncd.scim.store import ResourceStore
from usersyncd.web.scim import routes

DIRECTORY = "acme"


@contextmanager
def served(store: ResourceStore) -> Iterator[str]:
    """The URL of the directory's SCIM service."""
    address: list[str] = []
    app = Starlette(routes=routes(lambda name: store if name == DIRECTORY else None, "http://service.example"))
    server = _Server(uvicorn.Config(app, host="127.0.0.1", port=0, log_level="critical", lifespan="off"))
    thread = threading.Thread(target=server.run, name="scim", daemon=True)
    thread.start()
    deadline = time.monotonic() + 60
    while not server.started:
        if time.monotonic() > deadline or not thread.is_alive():
            raise RuntimeError("the SCIM service did not start")
        time.sleep(0.002)
    address.append(f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}")
    try:
        yield f"{address[0]}/scim/v2/{DIRECTORY}"
    finally:
        server.leave()
        thread.join(60)


class _Server(uvicorn.Server):
    """Stops immediately: the original checks ten times a second whether to stop."""

    async def main_loop(self) -> None:
        self._loop, self._left = asyncio.get_running_loop(), asyncio.Event()
        await self._left.wait()

    def leave(self) -> None:
        self.force_exit = True
        self._loop.call_soon_threadsafe(self._left.set)


class Forwarder:
    """A WSGI application that passes requests on, as the synchronous client of scim2-client wants one."""

    def __init__(self, url: str) -> None:
        self._client = httpx.Client(base_url=url, trust_env=False, timeout=60)

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
