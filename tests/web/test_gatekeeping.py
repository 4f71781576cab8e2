"""Tokens, quotas and clients' addresses."""

from __future__ import annotations

import ipaddress

import pytest

from usersyncd.web.auth import Credentials
from usersyncd.web.bucket import RequestBucket
from usersyncd.web.clients import client_address

PROXIES = (ipaddress.ip_network("10.0.0.0/8"), ipaddress.ip_network("::1"))


@pytest.mark.parametrize(
    ("peer", "forwarded", "expected"),
    [
        ("192.0.2.1", [], "192.0.2.1"),
        ("192.0.2.1", ["203.0.113.9"], "192.0.2.1"),  # a client that claims to be another
        ("10.0.0.1", ["203.0.113.9"], "203.0.113.9"),
        ("10.0.0.1", ["198.51.100.7, 203.0.113.9"], "203.0.113.9"),  # the first one is what the client claims
        ("10.0.0.1", ["203.0.113.9, 10.0.0.2"], "203.0.113.9"),
        ("10.0.0.1", ["203.0.113.9", "10.0.0.2"], "203.0.113.9"),
        ("10.0.0.1", ["unknown"], "10.0.0.1"),
        ("10.0.0.1", ["203.0.113.9, <script>"], "10.0.0.1"),
        ("10.0.0.1", [], "10.0.0.1"),
        ("::1", ["2001:db8::7"], "2001:db8::7"),
    ],
)
def test_the_address_is_the_last_one_that_no_trusted_proxy_has(peer: str, forwarded: list[str], expected: str) -> None:
    headers = [(b"x-forwarded-for", value.encode()) for value in forwarded]
    assert client_address({"client": (peer, 1), "headers": headers}, PROXIES) == expected


def test_a_token_opens_only_with_its_exact_text() -> None:
    credentials = Credentials([("old", "a" * 30), ("new", "b" * 30)])
    given = ["a" * 30, "b" * 30, "a" * 29, "a" * 31, "A" * 30, "", None, "é" * 30]
    assert [credentials.name_of(text) for text in given] == ["old", "new", *[None] * 6]
    assert Credentials([]).name_of("") is None


def test_a_quota_allows_a_burst_and_then_its_rate() -> None:
    now = [0.0]
    quota = RequestBucket(60, lambda: now[0])
    assert [quota.take() for _ in range(16)] == [0] * 15 + [1]
    now[0] += 1
    assert [quota.take(), quota.take()] == [0, 1]
    now[0] += 3600
    assert [quota.take() for _ in range(16)] == [0] * 15 + [1]
