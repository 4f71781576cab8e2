"""The server keeps within bounds whatever a client sends, and however slowly."""

from __future__ import annotations

import asyncio
import socket
import ssl
import subprocess
import time
from collections.abc import AsyncIterator
from contextlib import closing, suppress
from pathlib import Path

import pytest
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response, StreamingResponse
from starlette.routing import Route, Router

from tests.web.serving import Client, configuration, served
from usersyncd.config.web import TlsFiles
from usersyncd.errors import ConfigError, ListenError
from usersyncd.web import connection, limits
from usersyncd.web.limits import Limits
from usersyncd.web.server import WebServer


async def echo(request: Request) -> Response:
    return PlainTextResponse(str(len(await request.body())))


async def large(request: Request) -> Response:
    request.scope[limits.BODY_LIMIT] = 2_000_000
    return await echo(request)


async def unread(_request: Request) -> Response:
    return PlainTextResponse("no")


async def fail(_request: Request) -> Response:
    raise RuntimeError("the secret is xyz")


async def hang(_request: Request) -> Response:
    await asyncio.sleep(1.5)
    return PlainTextResponse("late")


async def endless(_request: Request) -> Response:
    async def parts() -> AsyncIterator[bytes]:
        while True:
            yield b"x" * 65536

    return StreamingResponse(parts())


@pytest.fixture
async def client() -> AsyncIterator[Client]:
    routes = [
        Route("/echo", echo, methods=["POST"]),
        Route("/large", large, methods=["POST"]),
        Route("/unread", unread, methods=["POST"]),
        Route("/fail", fail),
        Route("/hang", hang),
        Route("/livez", unread, methods=["GET"]),
        Route("/readyz", unread, methods=["GET"]),
        Route("/endless", endless),
    ]
    async with served(Limits(Router(routes), lambda: None)) as client:
        yield client


async def exchange(port: int, sent: bytes, seconds: float = 5) -> bytes:
    """Send raw bytes, and read until the server closes the connection."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    with closing(writer):
        writer.write(sent)
        async with asyncio.timeout(seconds):
            return await reader.read()


async def test_a_body_arrives_whole(client: Client) -> None:
    assert (await client.http.post("/echo", content=b"x" * 60_000)).text == "60000"


async def test_an_answer_does_not_wait_for_the_acknowledgement_of_its_headers(client: Client) -> None:
    answers = [client.http.post("/echo", content=b"abc") for _ in range(20)]
    began = time.monotonic()
    for answer in answers:
        assert (await answer).text == "3"
    assert time.monotonic() - began < 0.6  # 40 ms each otherwise


async def test_a_route_may_take_larger_bodies(client: Client) -> None:
    assert (await client.http.post("/large", content=b"x" * 1_000_000)).text == "1000000"


async def test_a_body_that_nobody_asked_for_must_not_come_for_ever(
    client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connection, "HEADER_SECONDS", 0.5)
    _, writer = await asyncio.open_connection("127.0.0.1", client.port)
    writer.write(b"POST /unread HTTP/1.1\r\nhost: x\r\ncontent-length: 5000\r\n\r\n")
    sent = 0
    with closing(writer), suppress(ConnectionError):
        for _ in range(200):
            writer.write(b"x")
            await writer.drain()
            await asyncio.sleep(0.02)
            sent += 1
    assert 10 < sent < 150


async def test_a_body_that_is_too_large_is_refused_before_it_is_read(client: Client) -> None:
    head = f"POST /echo HTTP/1.1\r\nhost: x\r\ncontent-length: {limits.BODY_BYTES + 1}\r\n\r\n"
    answer = await exchange(client.port, head.encode())
    assert answer.startswith(b"HTTP/1.1 413 ")


async def test_a_body_in_pieces_is_refused_when_it_grows_too_large(
    client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limits, "BODY_BYTES", 1_000)

    async def parts() -> AsyncIterator[bytes]:
        for _ in range(20):
            yield b"x" * 100

    assert (await client.http.post("/echo", content=parts())).status_code == 413


async def test_all_bodies_together_have_a_limit(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "ALL_BODIES", 1_000)
    assert (await client.http.post("/echo", content=b"x" * 1_001)).status_code == 503
    assert (await client.http.post("/echo", content=b"x" * 1_000)).status_code == 200


async def test_a_body_that_does_not_come_is_not_awaited_for_ever(
    client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limits, "BODY_SECONDS", 0.2)
    answer = await exchange(client.port, b"POST /echo HTTP/1.1\r\nhost: x\r\ncontent-length: 5\r\n\r\nab")
    assert answer.startswith(b"HTTP/1.1 408 ")


@pytest.mark.parametrize("sent", [b"", b"GET /echo HTTP/1.1\r\nhost: x\r\n"])
async def test_headers_that_do_not_come_are_not_awaited_for_ever(
    client: Client, monkeypatch: pytest.MonkeyPatch, sent: bytes
) -> None:
    monkeypatch.setattr(connection, "HEADER_SECONDS", 0.2)
    answer = await exchange(client.port, sent)
    assert answer.startswith(b"HTTP/1.1 408 ")


async def test_headers_that_come_drop_by_drop_are_cut_off(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connection, "HEADER_SECONDS", 0.5)
    _, writer = await asyncio.open_connection("127.0.0.1", client.port)
    sent = 0
    with closing(writer), suppress(ConnectionError):
        for byte in b"GET /livez HTTP/1.1\r\nhost: " + b"x" * 200:
            writer.write(bytes([byte]))
            await writer.drain()
            await asyncio.sleep(0.02)
            sent += 1
    assert 10 < sent < 100


async def test_headers_without_an_end_are_refused(client: Client) -> None:
    sent = b"GET /echo HTTP/1.1\r\n" + b"a: " + b"x" * (connection.HEADER_BYTES + 10_000)
    assert (await exchange(client.port, sent)).startswith(b"HTTP/1.1 431 ")


async def test_headers_that_come_at_once_have_the_same_limit(client: Client) -> None:
    sent = b"GET /fail HTTP/1.1\r\nhost: x\r\na: " + b"x" * (connection.HEADER_BYTES + 1) + b"\r\n\r\n"
    assert (await exchange(client.port, sent)).startswith(b"HTTP/1.1 431 ")


async def test_requests_that_do_not_wait_for_answers_are_not_kept(client: Client) -> None:
    first = b"POST /echo HTTP/1.1\r\nhost: x\r\ncontent-length: 3\r\n\r\nabc"
    answer = await exchange(client.port, first + b"GET /hang HTTP/1.1\r\nhost: x\r\n\r\n" * 1_000)
    assert answer.count(b"HTTP/1.1 ") == 1
    assert answer.endswith(b"3")


async def test_connections_that_send_nothing_keep_nobody_out(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connection, "CONNECTIONS", 5)
    silent = [await asyncio.open_connection("127.0.0.1", client.port) for _ in range(20)]
    assert (await client.http.post("/echo", content=b"abc")).text == "3"
    for _, writer in silent:
        writer.close()


async def test_a_reader_that_does_not_read_is_cut_off(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "ANSWER_SECONDS", 0.5)
    with socket.create_connection(("127.0.0.1", client.port)) as one:
        one.sendall(b"GET /endless HTTP/1.1\r\nhost: x\r\n\r\n")
        await asyncio.sleep(1.5)
        one.setblocking(False)
        received = 0
        async with asyncio.timeout(10):
            while part := await asyncio.get_running_loop().sock_recv(one, 1 << 20):
                received += len(part)
    assert received < 50_000_000


async def test_an_answer_that_takes_too_long_is_given_up(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "ANSWER_SECONDS", 0.2)
    answer = await client.http.get("/hang")
    assert (answer.status_code, answer.headers["retry-after"]) == (503, "10")


async def test_a_fault_of_ours_shows_no_traceback(client: Client) -> None:
    answer = await client.http.get("/fail")
    assert answer.status_code == 500
    assert "xyz" not in answer.text


async def test_too_many_requests_at_once_are_refused(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "REQUESTS", 2)
    waiting = [asyncio.create_task(client.http.get("/hang")) for _ in range(2)]
    await asyncio.sleep(0.3)
    answer = await client.http.post("/echo")
    assert (answer.status_code, answer.headers["retry-after"]) == (503, "1")
    for health in ("/livez", "/readyz"):
        assert (await client.http.get(health)).status_code == 200, health
    for task in waiting:
        task.cancel()
    await asyncio.gather(*waiting, return_exceptions=True)


@pytest.mark.parametrize(
    "sent",
    [
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
        b"GET / HTTP/9.9\r\n\r\n",
        b"GET /%zz HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n",
        b"GET http://[::1 HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n",
        b"POST /echo HTTP/1.1\r\nhost: x\r\ncontent-length: 3\r\ncontent-length: 4\r\n\r\nabcd",
        b"POST /echo HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\ncontent-length: 3\r\n\r\nabc",
        b"POST /echo HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\nzz\r\n",
        b"POST /echo HTTP/1.1\r\nhost: x\r\ncontent-length: -1\r\n\r\n",
        b"GET / HTTP/1.1\r\nhost: x\r\na\x00b: c\r\n\r\n",
        b"BREW / HTTP/1.1\r\nhost: x\r\n\r\n",
        b"OPTIONS * HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n",
        b"CONNECT example.com:443 HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n",
    ],
)
async def test_odd_http_is_refused(client: Client, sent: bytes) -> None:
    answer = await exchange(client.port, sent)
    assert answer[:10] in (b"HTTP/1.1 4", b"")
    assert (await client.http.post("/echo", content=b"abc")).text == "3"


async def test_requests_under_way_are_answered_when_the_server_ends() -> None:
    async def slow(_request: Request) -> Response:
        await asyncio.sleep(0.5)
        return PlainTextResponse("done")

    server = WebServer(configuration(), Router([Route("/slow", slow)]))
    port = server.port
    running = asyncio.create_task(server.run())
    answer = asyncio.create_task(exchange(port, b"GET /slow HTTP/1.1\r\nhost: x\r\n\r\n"))
    await asyncio.sleep(0.2)
    server.stop()
    assert (await answer).endswith(b"done")
    async with asyncio.timeout(5):
        await running
    with pytest.raises(ConnectionRefusedError):
        await asyncio.open_connection("127.0.0.1", port)


async def test_an_address_that_is_not_free_is_said() -> None:
    app = Router([])
    with socket.create_server(("127.0.0.1", 0)) as taken:
        config = configuration()
        with pytest.raises(ListenError, match=r"cannot listen at 127\.0\.0\.1:.*: Address already in use"):
            WebServer(type(config)("127.0.0.1", taken.getsockname()[1], config.url, None, (), ()), app)


def test_an_address_that_is_taken_for_a_while_does_not_stop_the_service_for_good() -> None:
    """The unit starts it again after every exit code except that of a wrong configuration."""
    unit = (Path(__file__).parents[2] / "systemd/usersyncd.service").read_text("utf-8")
    assert f"RestartPreventExitStatus={ConfigError.exit_code}\n" in unit
    assert ListenError.exit_code == 1


@pytest.fixture
def certificate(tmp_path: Path) -> TlsFiles:
    return make_certificate(TlsFiles(tmp_path / "cert.pem", tmp_path / "key.pem"))


def make_certificate(files: TlsFiles) -> TlsFiles:
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes",
         "-keyout", files.key, "-out", files.cert, "-days", "2", "-subj", "/CN=127.0.0.1", "-addext",
         "subjectAltName=IP:127.0.0.1"],
        check=True, capture_output=True,
    )  # fmt: skip
    return files


async def test_a_renewed_certificate_is_taken_without_a_restart(certificate: TlsFiles) -> None:
    config = configuration()
    server = WebServer(type(config)("127.0.0.1", 0, config.url, certificate, (), ()), Router([]))
    running = asyncio.create_task(server.run())
    try:
        before = await asyncio.to_thread(served_certificate, server.port)
        make_certificate(certificate)
        server.renew(certificate)
        assert await asyncio.to_thread(served_certificate, server.port) != before
        certificate.key.write_text("no key")
        with pytest.raises(ConfigError, match=r"web\.tls\.key"):
            server.renew(certificate)
        assert await asyncio.to_thread(served_certificate, server.port) != before
    finally:
        server.stop()
        await running


def served_certificate(port: int) -> str:
    return ssl.get_server_certificate(("127.0.0.1", port), timeout=10)


async def test_it_speaks_tls(certificate: TlsFiles) -> None:
    app = Limits(Router([Route("/echo", echo, methods=["POST"])]), lambda: None)
    async with served(app, certificate) as client:
        assert (await client.http.post("/echo", content=b"abc")).text == "3"


async def test_a_key_that_does_not_fit_is_said(tmp_path: Path) -> None:
    (tmp_path / "cert.pem").write_text("no certificate")
    files = TlsFiles(tmp_path / "cert.pem", tmp_path / "key.pem")
    with pytest.raises(ConfigError, match=r"web\.tls\.key: .*key\.pem cannot be read: No such file"):
        WebServer(configuration(files), Router([]))
