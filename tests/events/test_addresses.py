"""Webhooks reach public addresses only, and the address that is checked is the one that is connected to."""

from __future__ import annotations

import asyncio
import ipaddress
import socket
from typing import Any

import pytest

from tests.events.receiver import receiving
from usersyncd.events.messages import EventMessage
from usersyncd.events.receiver import ReplyMeaning, WebhookReceiver
from usersyncd.plugin import Webhook
from usersyncd.plugin.public_addresses import is_public

MESSAGE = EventMessage({"content-type": "application/secevent+jwt"}, b"{}")


@pytest.mark.parametrize(
    "address",
    [
        "127.0.0.1", "10.1.2.3", "192.168.0.1", "172.16.0.1", "169.254.169.254", "100.64.0.1", "0.0.0.0", "224.0.1.1",
        "255.255.255.255", "198.18.0.1", "::1", "::", "fe80::1", "fc00::1", "fd00:ec2::254", "ff0e::1", "fec0::1",
        "::ffff:127.0.0.1", "::ffff:169.254.169.254", "64:ff9b::7f00:1", "64:ff9b::a9fe:a9fe", "2002:7f00:1::",
        "2001:0:4136:e378:8000:63bf:3fff:fdd2", "64:ff9b:1::7f00:1", "64:ff9b:1:a9fe:a9:fe00::", "64:ff9b:1::808:808",
        "::127.0.0.1", "::8.8.8.8", "::ffff:0:127.0.0.1", "::ffff:0:10.0.0.1", "100::1", "4000::1",
    ],
)  # fmt: skip
def test_an_address_that_is_not_public_is_recognized(address: str) -> None:
    assert not is_public(ipaddress.ip_address(address))


@pytest.mark.parametrize("address", ["8.8.8.8", "2606:4700::1111", "::ffff:8.8.8.8", "64:ff9b::808:808"])
def test_a_public_address_is_recognized(address: str) -> None:
    assert is_public(ipaddress.ip_address(address))


@pytest.mark.parametrize("host", ["10.1.2.3", "[fd00::1]", "169.254.169.254", "[::ffff:127.0.0.1]", "localhost"])
def test_an_address_that_is_not_public_is_refused_with_the_configuration(host: str) -> None:
    url = f"https://{host}:8443/hook"
    with pytest.raises(ValueError, match="set allow_private_addresses: true if"):
        Webhook(url=url)
    assert Webhook(url=url, allow_private_addresses=True).url == url
    assert Webhook(url="https://8.8.8.8/hook").url
    assert Webhook(url="https://app.example/hook").url


def resolving(monkeypatch: pytest.MonkeyPatch, *answers: list[str]) -> list[str]:
    """Let each look-up of a name give the next of these answers. Returns the names that were looked up."""
    asked: list[str] = []
    left = list(answers)

    async def getaddrinfo(_: Any, host: str, port: int, **__: Any) -> list[Any]:
        asked.append(host)
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, port)) for address in left.pop(0)]

    monkeypatch.setattr(asyncio.BaseEventLoop, "getaddrinfo", getaddrinfo)
    return asked


async def test_a_private_receiver_is_refused_unless_it_is_allowed() -> None:
    async with receiving() as hook:
        refused = WebhookReceiver(hook.url, private=False)
        reply = await refused.post(MESSAGE)
        assert reply.meaning is ReplyMeaning.UNAVAILABLE
        assert "not public" in (reply.error or "")
        assert hook.connections == 0
        allowed = WebhookReceiver(hook.url, private=True)
        assert (await allowed.post(MESSAGE)).meaning is ReplyMeaning.DELIVERED
        await refused.close()
        await allowed.close()


async def test_one_private_address_among_public_ones_is_enough_to_refuse(monkeypatch: pytest.MonkeyPatch) -> None:
    resolving(monkeypatch, ["8.8.8.8", "127.0.0.1"])
    receiver = WebhookReceiver("http://rebind.example/hook", private=False)
    assert "127.0.0.1" in ((await receiver.post(MESSAGE)).error or "")
    await receiver.close()


async def test_a_name_is_resolved_once_and_its_checked_address_used(monkeypatch: pytest.MonkeyPatch) -> None:
    """The second look-up of a name that rebinds would give a private address: there is none."""
    async with receiving() as hook:
        port = int(hook.url.rpartition(":")[2].partition("/")[0])
        asked = resolving(monkeypatch, ["127.0.0.1"], ["10.0.0.1"])
        receiver = WebhookReceiver(f"http://app.example:{port}/hook", private=True)
        assert (await receiver.post(MESSAGE)).meaning is ReplyMeaning.DELIVERED
        assert (await receiver.post(MESSAGE)).meaning is ReplyMeaning.DELIVERED
        await receiver.close()
    assert asked == ["app.example"]
    assert [request.headers["host"] for request in hook.received] == [f"app.example:{port}"] * 2


async def test_a_proxy_of_the_environment_is_not_used(monkeypatch: pytest.MonkeyPatch) -> None:
    async with receiving() as proxy, receiving() as hook:
        for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
            monkeypatch.setenv(name, proxy.url)
        receiver = WebhookReceiver(hook.url, private=True)
        assert (await receiver.post(MESSAGE)).meaning is ReplyMeaning.DELIVERED
        await receiver.close()
    assert (len(hook.received), len(proxy.received)) == (1, 0)


async def test_a_receiver_that_answers_without_end_is_cut_off(monkeypatch: pytest.MonkeyPatch) -> None:
    async def endless(_: Any) -> Any:
        return 200, {}, b"x" * 1_000_000

    async with receiving(endless) as hook:
        receiver = WebhookReceiver(hook.url, private=True)
        assert (await receiver.post(MESSAGE)).meaning is ReplyMeaning.DELIVERED
        await receiver.close()


async def test_a_slow_receiver_is_not_waited_for_longer_than_the_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    async def slow(_: Any) -> int:
        await asyncio.sleep(30)
        return 200

    monkeypatch.setattr("usersyncd.events.receiver.TIMEOUT", 0.2)
    async with receiving(slow) as hook:
        receiver = WebhookReceiver(hook.url, private=True)
        reply = await receiver.post(MESSAGE)
        await receiver.close()
    assert reply.meaning is ReplyMeaning.UNANSWERED
