"""Responses that Google never sends: each ends the pull with a message, at little cost."""

from __future__ import annotations

import json
from collections.abc import Callable
from contextlib import suppress
from random import Random
from typing import Any

import pytest

from tests.connectors.google.directory import Directory
from tests.connectors.google.test_google_signin import keyless as keyless
from tests.fakes.google import company
from tests.fakes.google.http import Reply
from tests.fakes.junk import spoilt
from usersyncd.errors import SourceError

Start = Callable[..., Directory]
Spoil = Callable[[Any], Any]
USERS, GROUPS = "/admin/directory/v1/users", "/admin/directory/v1/groups"
LARGE = 3_000_000


def answers(directory: Directory, path: str, body: bytes | Spoil, status: int = 200) -> None:
    """Paths that end in ``path`` get the response ``body``, or the correct response changed by it."""

    def spoil(asked: str, reply: Reply) -> Reply:
        if not asked.endswith(path):
            return reply
        return Reply(status, body if isinstance(body, bytes) else json.dumps(body(json.loads(reply.body))).encode())

    directory.google.spoil = spoil


async def refusal(directory: Directory) -> str:
    with pytest.raises(SourceError) as raised:
        await directory.sync()
    assert raised.value.remedy
    assert len(str(raised.value)) < 1_500
    return str(raised.value)


@pytest.mark.parametrize("status", [400, 403, 404])
async def test_a_long_refusal(directory: Directory, status: int) -> None:
    answers(directory, USERS, lambda _: {"error": {"message": "x" * LARGE}}, status)
    assert len(await refusal(directory)) < 900


@pytest.mark.parametrize("path", [USERS, GROUPS, "/token"])
@pytest.mark.parametrize("body", [b"[" * 100_000, b'{"a":' * 500 + b"1" + b"}" * 500], ids=["100000", "500"])
@pytest.mark.parametrize("status", [200, 403])
async def test_deep_json(directory: Directory, path: str, body: bytes, status: int) -> None:
    answers(directory, path, body, status)
    assert "nested too deeply" in await refusal(directory) or len(body) < 10_000


@pytest.mark.parametrize("status", [400, 403])
async def test_a_refusal_with_invalid_encoding(directory: Directory, status: int) -> None:
    for path in (USERS, "/token"):
        answers(directory, path, b'{"error": {"message": "\xff\xfe"}}', status)
        assert "no reason given" in await refusal(directory)


@pytest.mark.parametrize(
    "token",
    [
        {"access_token": "0123456789abcdef\n0123456789abcdef"},
        {"access_token": "0123456789abcdef\u20ac"},
        {"access_token": ""},
        {"access_token": "x" * LARGE},
        {"access_token": {}},
        {"access_token": "0123456789abcdef", "expires_in": "soon"},
        {"error": "invalid_grant", "error_description": "y" * LARGE},
        {"error": "z" * LARGE},
    ],
)
@pytest.mark.parametrize("status", [200, 400])
async def test_an_impossible_token(directory: Directory, token: dict[str, Any], status: int) -> None:
    answers(directory, "/token", lambda _: token, status)
    assert "0123456789" not in await refusal(directory)


@pytest.mark.parametrize("life", [-1e9, 0, 1.5e308, 10**30])
async def test_an_impossible_token_lifetime(directory: Directory, life: float) -> None:
    answers(directory, "/token", lambda token: {**token, "expires_in": life})
    await directory.sync()
    directory.assert_equal()


@pytest.mark.parametrize("date", ["Thu, 01 Jan 1970 00:00:00 GMT", "Mon, 01 Jan 0001 00:00:00 +2359", "9" * 5_000])
async def test_an_impossible_date(directory: Directory, date: str) -> None:
    def spoil(path: str, reply: Reply) -> Reply:
        reply.headers["Date"] = date
        return reply

    directory.google.spoil = spoil
    for _ in range(2):
        await directory.sync()
        directory.assert_equal()


@pytest.mark.parametrize("token", [7, ["x"], {}, True])
async def test_a_page_token_that_is_not_text(directory: Directory, token: object) -> None:
    answers(directory, USERS, lambda page: {**page, "nextPageToken": token})
    assert "not a list of users" in await refusal(directory)


@pytest.mark.parametrize("ids", [[], ["1", "2"]])
async def test_pages_without_end(directory: Directory, ids: list[str]) -> None:
    asked: list[str] = []

    def spoil(path: str, reply: Reply) -> Reply:
        if path != USERS:
            return reply
        asked.append(path)
        page: dict[str, Any] = {"kind": "x", "users": [{"id": each, "primaryEmail": "a@b.example"} for each in ids]}
        if len(asked) < 1_000:
            page["nextPageToken"] = f"t{len(asked)}"
        return Reply(200, json.dumps(page).encode())

    directory.google.spoil = spoil
    assert "the listing has no end" in await refusal(directory)
    assert len(asked) < 500


@pytest.mark.parametrize("count", [10**30, -1, "9" * 6_000, "many", [], None, 1.5, True])
async def test_an_impossible_member_count(directory: Directory, count: object) -> None:
    def counted(page: dict[str, Any]) -> dict[str, Any]:
        return {**page, "groups": [{**group, "directMembersCount": count} for group in page["groups"]]}

    answers(directory, GROUPS, counted)
    with suppress(SourceError):  # A possible but wrong number.
        await directory.sync()
        directory.assert_equal()


@pytest.mark.parametrize("item", [{}, {"id": 7}, {"id": None}, {"id": {}}, None, "x", []])
@pytest.mark.parametrize("path", [USERS, GROUPS])
async def test_an_item_that_is_not_an_object(directory: Directory, path: str, item: object) -> None:
    name = path.rpartition("/")[2]
    answers(directory, path, lambda page: {**page, name: [item, *page[name]]})
    await refusal(directory)


@pytest.mark.parametrize("path", ["/sts", ":signJwt"])
@pytest.mark.parametrize(
    "body", [b"[]", b"{}", b"[" * 100_000, b'"x"', b'{"error": ' + b"7" * LARGE + b"}", b"\xff", b"null"]
)
async def test_impossible_responses_of_keyless_sign_in(keyless: Directory, path: str, body: bytes) -> None:
    for status in (200, 400):
        answers(keyless, path, body, status)
        await refusal(keyless)


@pytest.mark.parametrize("seed", range(40))
async def test_junk_in_any_place(seed: int, start: Start) -> None:
    random = Random(seed)
    directory = start(company(people=12, groups=3, memberships=20), patience=5)
    directory.google.knobs.page_size = 5

    def spoil(path: str, reply: Reply) -> Reply:
        return Reply(reply.status, spoilt(reply.body, random)) if random.random() < 0.2 and reply.body else reply

    directory.google.spoil = spoil
    for _ in range(2):
        with suppress(SourceError):
            await directory.sync()
    with suppress(SourceError):
        await directory.source().check()
