"""The patient transport on real sockets: broken bodies, compression, keep-alive, proxies, TLS."""

from __future__ import annotations

import asyncio
import gzip
import json
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import cast

import httpx
import pytest

from tests.servers.tls import certificates
from usersyncd.errors import ConfigError, SourceError
from usersyncd.plugin import PATIENT, Patience
from usersyncd.testing import source_context

BODY = json.dumps({"value": list(range(1000))}).encode()


def whole(body: bytes = BODY, *headers: str) -> bytes:
    lines = ["HTTP/1.1 200 OK", f"Content-Length: {len(body)}", "Content-Type: application/json", *headers]
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + body


CUT = whole()[:-100]
CUT_CHUNK = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n10\r\n" + BODY[:16] + b"\r\n"
CUT_WITHOUT_LENGTH = b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n" + BODY[:2000]
CUT_GZIP = whole(gzip.compress(BODY)[:-20], "Content-Encoding: gzip")
NOTHING = b""
GARBAGE = b"\x16\x03\x01 this is not HTTP\r\n\r\n"


class Scripted:
    """Answers each request on a connection with the next of these bytes. Closes it after an incomplete answer."""

    def __init__(self, *answers: bytes) -> None:
        self._answers = iter(answers)
        self.connections = 0
        self.heads: list[bytes] = []

    async def __call__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        try:
            while head := await reader.readuntil(b"\r\n\r\n"):
                self.heads.append(head)
                answer = next(self._answers)
                writer.write(answer)
                await writer.drain()
                if not answer.startswith(whole()[:15]) or answer in (CUT, CUT_CHUNK, CUT_WITHOUT_LENGTH):
                    break
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()


@asynccontextmanager
async def listening(
    handler: Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]], tls: ssl.SSLContext | None = None
) -> AsyncIterator[str]:
    """A server on a free port; gives its host and port, and ends when all its connections have."""
    tasks: list[asyncio.Task[None]] = []

    async def handled(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        tasks.append(cast("asyncio.Task[None]", asyncio.current_task()))
        await handler(reader, writer)

    server = await asyncio.start_server(handled, "127.0.0.1", 0, ssl=tls)
    yield f"127.0.0.1:{server.sockets[0].getsockname()[1]}"
    server.close()
    await asyncio.wait_for(asyncio.gather(*tasks), 60)


@asynccontextmanager
async def served(
    *answers: bytes, patience: Patience = PATIENT, folder: Path = Path(), proxy: Callable[[str], str] | None = None
) -> AsyncIterator[tuple[Scripted, httpx.AsyncClient, str]]:
    script = Scripted(*answers)
    async with listening(script) as host:
        url = f"http://{host}"
        async with source_context(folder).http(patience, proxy=proxy(url) if proxy else None) as client:
            yield script, client, url


@pytest.mark.parametrize("broken", [CUT, CUT_CHUNK, CUT_WITHOUT_LENGTH, CUT_GZIP, NOTHING, GARBAGE])
async def test_a_request_with_a_broken_answer_is_repeated(broken: bytes) -> None:
    async with served(broken, broken, whole()) as (script, client, url):
        assert (await client.get(url)).content == BODY
        assert len(script.heads) == 3


async def test_compressed_answers_are_read_and_their_size_is_limited_unpacked() -> None:
    packed = whole(gzip.compress(BODY), "Content-Encoding: gzip")
    async with served(packed) as (_, client, url):
        assert (await client.get(url)).json() == json.loads(BODY)
    async with served(packed, patience=Patience(size=len(BODY) - 1)) as (_, client, url):
        with pytest.raises(SourceError, match="more than"):
            await client.get(url)


async def test_connections_are_kept_open() -> None:
    async with served(*[whole()] * 5) as (script, client, url):
        for _ in range(5):
            await client.get(url)
        assert script.connections == 1


async def test_a_silent_host_times_out() -> None:
    async def silent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()
        writer.close()

    async with listening(silent) as host, source_context(Path()).http(Patience(silence=0.05, seconds=3)) as client:
        with pytest.raises(SourceError, match=r"did not respond in time|did not respond within"):
            await client.get(f"http://{host}")


async def test_a_host_that_sends_too_slowly_times_out() -> None:
    async def drip(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n")
        try:
            while not writer.is_closing():
                writer.write(b"[")
                await writer.drain()
                await asyncio.sleep(0.01)
        except ConnectionError:
            pass

    async with listening(drip) as host, source_context(Path()).http(Patience(silence=0.2, seconds=0.3)) as client:
        with pytest.raises(SourceError, match=r"did not respond within 0\.3 s"):
            await client.get(f"http://{host}")


async def test_a_configured_proxy_is_used() -> None:
    async with served(whole(), proxy=lambda url: url) as (script, client, _):
        await client.get("http://graph.example/v1.0/users")
        assert script.heads[0].startswith(b"GET http://graph.example/v1.0/users HTTP/1.1")


async def test_the_environment_names_a_proxy_and_its_exceptions(monkeypatch: pytest.MonkeyPatch) -> None:
    async with served(whole(), whole()) as (script, _, url):
        monkeypatch.setenv("http_proxy", url)
        monkeypatch.setenv("no_proxy", "inside.example")
        async with source_context(Path()).http(Patience(seconds=1)) as client:
            await client.get("http://graph.example/")
            assert script.heads[0].startswith(b"GET http://graph.example/ HTTP/1.1")
            await client.get(url)
            assert script.heads[1].startswith(b"GET / HTTP/1.1"), "this machine is never asked through a proxy"
            with pytest.raises(SourceError, match=r"inside\.example cannot be reached"):
                await client.get("http://inside.example/")


async def test_a_server_that_is_stopped_is_named_with_its_port() -> None:
    async with listening(Scripted()) as host:
        pass  # Nothing listens there any more.
    async with source_context(Path()).http(Patience(seconds=1)) as client:
        with pytest.raises(SourceError) as raised:
            await client.get(f"http://{host}/scim/v2/Users")
    said = str(raised.value)
    assert f"{host} cannot be reached: Connection refused" in said
    assert f"(GET {host}/scim/v2/Users)" in said
    assert "is it running" in said


async def test_certificates_are_verified(tmp_path: Path) -> None:
    files = certificates(tmp_path)
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(files.certificate, files.key)
    async with listening(Scripted(whole()), context) as host:
        async with source_context(tmp_path).http() as client:
            with pytest.raises(SourceError, match="certificate that is not trusted"):
                await client.get(f"https://{host}/")
        async with source_context(tmp_path).http(ca_file="ca.pem") as client:
            assert (await client.get(f"https://{host}/")).status_code == 200
        files.stranger.replace(files.ca)
        async with source_context(tmp_path).http(ca_file="ca.pem") as client:
            with pytest.raises(SourceError, match="certificate that is not trusted"):
                await client.get(f"https://{host}/")


@pytest.mark.parametrize("text", [None, "no certificate"])
def test_a_file_of_authorities_that_cannot_be_used(tmp_path: Path, text: str | None) -> None:
    if text is not None:
        (tmp_path / "ca.pem").write_text(text)
    with pytest.raises(ConfigError, match=r"ca\.pem cannot be used"):
        source_context(tmp_path).http(ca_file="ca.pem")
