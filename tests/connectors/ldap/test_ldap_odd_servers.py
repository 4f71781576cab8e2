"""Servers that page badly or stop in the middle of a message: a pull is complete or discarded, and always ends."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("ldap", reason="python-ldap is not installed (the extra ldap)")

from tests.connectors.ldap.directory import Pulled, source
from tests.connectors.ldap.scripted import (
    Answer,
    ScriptedServer,
    bound,
    entry,
    openldap,
    page,
    root_dse,
    synced,
    tls_begins,
)
from usersyncd.errors import SourceError
from usersyncd.testing import read

NOBODY = page([])


async def pull(folder: Path, *script: Answer, **options: Any) -> Pulled:
    with ScriptedServer(*script) as server:
        directory = source({"url": server.url, "base": "dc=acme", "timeout": 2, **options}, folder)
        return Pulled(list((await read(directory)).items))


async def test_pages_are_read_to_the_last(tmp_path: Path) -> None:
    pages = [page(["a", "b"], cookie=b"1"), page([], cookie=b"2"), page(["c"], cookie=b"")]
    pulled = await pull(tmp_path, bound, root_dse, *pages, page(["a", "b", "c"]), NOBODY)
    assert set(pulled.users) == {"a", "b", "c"}
    assert pulled.users["a"].id == "id-a"  # whatever the case in which the server writes entryUUID


async def test_a_server_may_use_one_cookie_for_all_pages(tmp_path: Path) -> None:
    pages = [page(["a"], cookie=b"same"), page(["b"], cookie=b"same"), page(["c"], cookie=b"")]
    assert set((await pull(tmp_path, bound, root_dse, *pages, page(["a", "b", "c"]), NOBODY)).users) == {"a", "b", "c"}


async def test_a_server_without_pages_is_read_at_once(tmp_path: Path) -> None:
    assert set((await pull(tmp_path, bound, root_dse, page(["a", "b", "c"]), NOBODY)).users) == {"a", "b", "c"}


@pytest.mark.parametrize(
    ("script", "says"),
    [
        ([page(["a"], cookie=b"1"), page(["b"])], "stopped sending pages"),
        ([page(["a"], cookie=b"1"), page(["a"], cookie=b"1")], "begins with uid=a,dc=acme twice"),
        ([page(["a"], code=4)], "Size limit exceeded"),
        ([page(["a"], cookie=b"1"), page(["b"], code=4, cookie=b"")], "after 2 entries: Size limit exceeded"),
        ([page(["a"], code=3)], "Time limit exceeded"),
        ([page(["a"], code=11)], "Administrative limit exceeded"),
        ([page(["a"], code=9)], "Partial results"),
        ([page(["a"], code=10)], "Referral"),
        ([page(["a"], code=51)], "Server is busy"),
        ([page(["a"], code=80)], "Other"),
        ([page(["a"], cookie=b"1"), page([], code=12)], "Critical extension is unavailable"),
        ([lambda message: entry(message, "uid=a,dc=acme", uid="a") + b"", NOBODY], "has no entryUUID"),
        ([lambda message: page(["a", "b"])(message)[:60]], "no response in time"),
        ([lambda message: b"HTTP/1.1 400 Bad Request\r\n\r\n"], "failed after|no response"),
        ([], "no response in time"),
    ],
)
async def test_anything_but_a_clean_end_discards_the_pull(tmp_path: Path, script: list[Answer], says: str) -> None:
    start = time.monotonic()
    with pytest.raises(SourceError, match=says) as raised:
        await pull(tmp_path, bound, root_dse, *script)
    assert raised.value.remedy
    assert time.monotonic() - start < 15


@pytest.mark.parametrize(
    ("value", "says"),
    [
        (b"\x30\x09\x04", "cannot be decoded: BER: an element is truncated"),
        (b"\x04\x00", "cannot be decoded: BER: not one sequence"),
        (b"\x30\x06\x04\x04rid\xff", "cannot be decoded: 'utf-8' codec"),
        (b"\x30\x00", "strategy syncrepl does not work here: the server sends no sync cookie"),
    ],
)
async def test_syncrepl_that_is_not_what_the_protocol_says(tmp_path: Path, value: bytes, says: str) -> None:
    with pytest.raises(SourceError, match=says):
        await pull(tmp_path, bound, openldap, synced(value), strategy="syncrepl")


async def test_a_handshake_that_never_comes(tmp_path: Path) -> None:
    start = time.monotonic()
    with pytest.raises(SourceError, match="no LDAP server answers"):
        await pull(tmp_path, tls_begins, tls={"start_tls": True})
    assert time.monotonic() - start < 15
