"""Forged and broken answers: each costs little, and ends in a clear error."""

from __future__ import annotations

import gzip
import tracemalloc
import zlib
from contextlib import suppress

import httpx
import pytest

from tests.transport.test_connections import BODY, served, whole
from tests.transport.test_patience import OK, Host, throttled
from usersyncd.errors import SourceError
from usersyncd.plugin import Patience, http_date

TOKEN = "0123456789abcdef" * 4
SENT = {"Authorization": f"Bearer {TOKEN}"}
LARGE = 10_000_000


async def refused(answer: bytes, *, patience: Patience | None = None, headers: dict[str, str] | None = None) -> str:
    """Return the error of an answer that cannot be used."""
    async with served(*[answer] * 100, patience=patience or Patience(seconds=20)) as (_, client, url):
        with pytest.raises(SourceError) as raised:
            await client.get(url, headers=headers)
    assert raised.value.remedy
    assert len(str(raised.value)) < 2_000
    return str(raised.value)


# ---- packed bodies


def bomb(zeros: int) -> bytes:
    """Return gzip data that unpacks to this many megabytes."""
    packer = zlib.compressobj(wbits=31)
    return b"".join([*(packer.compress(b"0" * 1_000_000) for _ in range(zeros)), packer.flush()])


async def test_a_body_compressed_many_times_is_refused() -> None:
    nested = gzip.compress(gzip.compress(bomb(100)))
    said = await refused(whole(nested, "Content-Encoding: gzip, gzip, gzip"))
    assert "sent a response with an encoding that was not requested" in said
    assert "Content-Encoding" in said


@pytest.mark.parametrize("members", [1, 20])
async def test_a_decompression_bomb_is_unpacked_only_up_to_the_limit(members: int) -> None:
    answer = whole(bomb(200 // members) * members, "Content-Encoding: gzip")
    tracemalloc.start()
    try:
        said = await refused(answer, patience=Patience(size=1_000_000))
        assert tracemalloc.get_traced_memory()[1] < 10_000_000
    finally:
        tracemalloc.stop()
    assert "more than 1,000,000 bytes" in said


@pytest.mark.parametrize("encoding", ["br", "zstd", "deflate", "gzip;q=1", "x", "gzip\tgzip"])
async def test_an_unsupported_encoding_is_named(encoding: str) -> None:
    assert "sent a response with an encoding" in await refused(whole(BODY, f"Content-Encoding: {encoding}"))


@pytest.mark.parametrize("encoding", ["identity", "", "GZIP", "x-gzip", "identity, gzip"])
async def test_an_encoding_is_accepted_by_any_of_its_names(encoding: str) -> None:
    body = gzip.compress(BODY[:100]) + gzip.compress(BODY[100:]) if "gzip" in encoding.lower() else BODY
    async with served(whole(body, f"Content-Encoding: {encoding}")) as (script, client, url):
        assert (await client.get(url)).content == BODY
        assert b"Accept-Encoding: gzip\r\n" in script.heads[0]


async def test_a_body_with_a_wrong_encoding_is_retried() -> None:
    async with served(whole(b"no gzip", "Content-Encoding: gzip"), whole()) as (_, client, url):
        assert (await client.get(url)).content == BODY


# ---- numbers and dates


@pytest.mark.parametrize("load", ["1e9", "1e999", "nan", "-1e9", "2.5"])
async def test_an_impossible_load_header_causes_no_wait(load: str) -> None:
    patience = Patience(load=lambda response: float(response.headers["x-load"]))
    answer = httpx.Response(200, headers={"x-load": load}, text="{}")
    host = Host(*[answer] * 3, patience=patience)
    for _ in range(3):
        await host.get()
    assert host.clock.slept == []


@pytest.mark.parametrize(
    "after",
    [
        "Wed, 21 Oct 2015 07:28:00 +9999999",
        "Wed, 21 Oct 2015 07:28:00 +" + "9" * 30,
        "Wed, 21 Oct " + "9" * 30 + " 07:28:00 GMT",
        "Fri, 31 Dec 9999 23:59:59 -2359",
        "Mon, 01 Jan 0001 00:00:00 +2359",
        "9" * 4_000,
        "1e9",
        "NaN",
        "(" * 4_000,
    ],
)
async def test_an_impossible_date_causes_no_wait(after: str) -> None:
    assert http_date(after) is None or http_date(after).year < 2002  # type: ignore[union-attr]
    host = Host(throttled(retry_after=after), OK)
    await host.get()
    assert sum(host.clock.slept) <= 3


def test_a_date_is_converted_to_utc() -> None:
    found = [http_date(f"Wed, 21 Oct 2015 {time}") for time in ("07:28:00 GMT", "09:28:00 +0200", "07:28:00 -0000")]
    assert len(set(found)) == 1
    assert str(found[0]) == "2015-10-21 07:28:00+00:00"


# ---- words


@pytest.mark.parametrize("status", ["400 Bad", "503 Busy", "200 OK"])
async def test_a_long_text_is_shortened(status: str) -> None:
    answer = whole(b"x" * LARGE).replace(b"200 OK", status.encode())
    async with served(*[answer] * 20, patience=Patience(seconds=2)) as (_, client, url):
        with suppress(SourceError):
            assert len((await client.get(url)).content) == LARGE
            return
    assert len(await refused(answer, patience=Patience(seconds=2))) < 600


async def test_the_token_is_not_shown_by_a_host_that_repeats_the_request() -> None:
    echo = whole(f"<p>You sent X-Auth={TOKEN}!</p>".encode()).replace(b"200 OK", b"503 Busy")
    assert TOKEN not in await refused(echo, patience=Patience(seconds=2), headers=SENT)
    assert TOKEN not in await refused(whole(f"You sent {TOKEN}".encode()), patience=Patience(seconds=2), headers=SENT)
    async with served(echo.replace(b"503", b"403")) as (_, client, url):
        assert (await client.get(url, headers=SENT)).text == "<p>You sent X-Auth=***!</p>"


async def test_the_secret_of_a_form_is_not_shown() -> None:
    form = {"client_id": "the-application", "client_secret": "a very/secret", "grant_type": "client_credentials"}
    echo = b"the-application client_credentials a very/secret a%20very%2Fsecret"
    async with served(whole(echo).replace(b"200 OK", b"400 No")) as (_, client, url):
        assert (await client.post(url, data=form)).text == "the-application client_credentials *** ***"


@pytest.mark.parametrize("token", [TOKEN + "\n", TOKEN + "\r\nX-More: 1", TOKEN + "\0"])
async def test_a_token_that_no_header_can_have_is_not_shown(token: str) -> None:
    async with served(whole()) as (script, client, url):
        with pytest.raises(SourceError, match="has invalid characters") as raised:
            await client.get(url, headers={"Authorization": f"Bearer {token}"})
        assert script.heads == []
    assert TOKEN not in str(raised.value)


@pytest.mark.parametrize(
    "head",
    [
        b"HTTP/1.1 200 OK\r\nSet-Cookie session=0123456789abcdef\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: session=0123456789abcdef\r\n\r\n",
        b"HTTP/9.9 session=0123456789abcdef\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nX: " + b"0123456789abcdef" * 10_000 + b"\r\n\r\n",
    ],
)
async def test_a_broken_header_is_not_shown(head: bytes) -> None:
    said = await refused(head, patience=Patience(seconds=2))
    assert "0123456789" not in said
    assert "is not HTTP" in said


async def test_the_names_of_status_and_request_are_not_the_hosts() -> None:
    head = b"HTTP/1.1 503 " + b"y" * 5_000 + b"\r\nrequest-id: <script> " + b"z" * 5_000
    said = await refused(head + b"\r\nContent-Length: 0\r\n\r\n", patience=Patience(seconds=2))
    assert "answered 503 Service Unavailable, in" in said
    assert "yyy" not in said
    assert "zzz" not in said


@pytest.mark.parametrize("status", ["200 OK", "400 Bad", "404 Not"])
@pytest.mark.parametrize("depth", [700, 100_000])
async def test_json_nested_too_deep_is_an_error(status: str, depth: int) -> None:
    deep = whole(b'{"a":' * depth + b"1" + b"}" * depth).replace(b"200 OK", status.encode())
    assert "JSON that is nested too deeply" in await refused(deep)


async def test_a_busy_answer_with_deep_json_is_retried() -> None:
    deep = whole(b"[" * 100_000).replace(b"200 OK", b"503 Busy")
    assert "answered 503 Service Unavailable" in await refused(deep, patience=Patience(seconds=2))
