"""Security Event Tokens: claims of RFC 9967, signed, delivered by RFC 8935."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from typing import Any

import pytest
from joserfc import jwt
from joserfc.errors import BadSignatureError
from joserfc.jwk import ECKey, KeySet, OKPKey, RSAKey

from tests.events.receiver import receiving
from tests.events.sending import Sending, webhook
from tests.events.world import StreamWorld
from usersyncd.core.events import Event
from usersyncd.core.security_events import SESSION_REVOKED, claims_of
from usersyncd.errors import ConfigError
from usersyncd.events.tokens import jwks, security_event_tokens
from usersyncd.plugin import Kind

KEY = ECKey.generate_key("P-256").as_pem(private=True).decode()
PROV = "urn:ietf:params:scim:event:prov:"
ALGORITHMS = ["ES256", "RS256", "Ed25519"]

pytestmark = pytest.mark.parametrize("state", ["sqlite"], indirect=True)


async def sent(stream: StreamWorld, **more: Any) -> list[dict[str, Any]]:
    """The claims of all tokens that a receiver verified."""
    write = security_event_tokens(KEY, "https://sync.example", "https://crm.example", **{"revoke": False, **more})
    keys = KeySet.import_key_set(jwks([KEY]))  # type: ignore[arg-type]
    async with receiving(lambda _: _accepted()) as hook:
        sending = Sending(stream, hook, write=write)
        await sending.until_idle()
        await sending.sender.close()
    claims = []
    for request in hook.received:
        assert request.headers["content-type"] == "application/secevent+jwt"
        token = jwt.decode(request.body.decode(), keys, algorithms=ALGORITHMS)
        assert token.header["typ"] == "secevent+jwt"
        assert "sub" not in token.claims
        assert (token.claims["iss"], token.claims["aud"]) == ("https://sync.example", "https://crm.example")
        assert (token.claims["events"].keys() & {SESSION_REVOKED} != set()) or len(token.claims["events"]) >= 1
        claims.append(token.claims)
    return claims


async def _accepted() -> int:
    return 202


async def test_changes_are_scim_events(stream: StreamWorld) -> None:
    stream.options = webhook()
    stream.user("u1", userName="anna", givenName="Anna", email="anna@acme.example", department="Sales")
    await asyncio.to_thread(stream.run)
    stream.user("u1", userName="anna", givenName="Ann", email="anna@acme.example", department="Sales")
    stream.group("g1", "u1")
    await asyncio.to_thread(stream.run)
    stream.group("g1")
    await asyncio.to_thread(stream.run)
    stream.leave("g1", kind=Kind.GROUP)
    stream.user("u1", userName="anna", givenName="Ann", email="anna@acme.example", department="Sales", active=False)
    await asyncio.to_thread(stream.run)
    tokens = sorted(await sent(stream), key=lambda one: int(one["jti"].split("-")[1]) + 100 * one["iat"])
    ids = {event["object"]["record"]: event["object"]["id"] for event in stream.events()}
    kinds = sorted(name.removeprefix(PROV) for one in tokens for name in one["events"])
    assert kinds == sorted(
        ["create:full", "patch:full", "create:full", "patch:full", "patch:full", "delete", "deactivate"]
    )
    created = next(one for one in tokens if f"{PROV}create:full" in one["events"] and "Users" in one["sub_id"]["uri"])
    assert created["sub_id"] == {"format": "scim", "uri": f"/Users/{ids['u1']}", "externalId": "u1"}
    data = created["events"][f"{PROV}create:full"]["data"]
    assert data["userName"] == "anna"
    assert data["name"] == {"givenName": "Anna"}
    assert data["emails"] == [{"type": "work", "value": "anna@acme.example"}]
    assert data["urn:ietf:params:scim:schemas:extension:enterprise:2.0:User"] == {"department": "Sales"}
    patches = [one["events"][f"{PROV}patch:full"]["data"]["Operations"][0] for one in tokens
               if f"{PROV}patch:full" in one["events"]]  # fmt: skip
    assert {"op": "replace", "path": "name.givenName", "value": "Ann"} in patches
    assert {"op": "remove", "path": f'members[value eq "{ids["u1"]}"]'} in patches
    assert any(one["op"] == "add" and one["value"][0]["value"] == ids["u1"] for one in patches)
    assert len({one["jti"] for one in tokens}) == len(tokens)


async def test_session_revoked_is_sent_when_a_user_is_deactivated(stream: StreamWorld) -> None:
    stream.options = webhook()
    stream.people("u1")
    await asyncio.to_thread(stream.run)
    stream.leave("u1")
    await asyncio.to_thread(stream.run)
    tokens = await sent(stream, revoke=True)
    [revoked] = [one for one in tokens if SESSION_REVOKED in one["events"]]
    assert list(revoked["events"]) == [SESSION_REVOKED]
    assert revoked["sub_id"] == tokens[-2]["sub_id"]
    assert revoked["events"][SESSION_REVOKED]["event_timestamp"] == revoked["iat"]
    assert SESSION_REVOKED not in [name for one in await sent(stream) for name in one["events"]]


async def test_an_error_of_the_receiver_holds_the_event_and_is_kept(stream: StreamWorld) -> None:
    stream.options = webhook()
    stream.people("u1")
    await asyncio.to_thread(stream.run)

    async def refused(_: Any) -> Any:
        return 400, {"Content-Type": "application/json"}, b'{"err":"invalid_key","description":"unknown kid"}'

    write = security_event_tokens(KEY, "https://sync.example", "https://crm.example", revoke=False)
    async with receiving(refused) as hook:
        sending = Sending(stream, hook, write=write)
        await sending.sender.round()
        await sending.sender.close()
    assert sending.status.held == 1
    assert hook.received[0].headers["accept"] == "application/json"


@pytest.mark.parametrize(
    "key", [ECKey.generate_key("P-256"), OKPKey.generate_key("Ed25519"), RSAKey.generate_key(2048)]
)
def test_keys_of_several_kinds_sign_and_are_published_without_their_secrets(key: Any, state: str) -> None:
    body: dict[str, Any] = {"id": "R-0", "occurred_at": "2026-11-28T08:00:00Z", "before": None, "after": None,
            "changed": [], "object": {"kind": "user", "id": "x", "record": "u1"}}  # fmt: skip
    text = key.as_pem(private=True).decode()
    write = security_event_tokens(text, "https://a.example", "https://b.example", revoke=False)
    [message] = write(Event(1, "R-0", "user.deleted", "x", body), datetime.now(UTC))
    public = jwks([text])
    assert not {"d", "p", "q"} & set(public["keys"][0])
    keys = KeySet.import_key_set(public)  # type: ignore[arg-type]
    assert jwt.decode(message.body.decode(), keys, algorithms=ALGORITHMS).claims["jti"] == "R-0"
    head, content, signature = message.body.decode().split(".")
    forged = f"{head}.{content[:-4]}AAAA.{signature}"
    with pytest.raises(BadSignatureError):
        jwt.decode(forged, keys, algorithms=ALGORITHMS)


@pytest.mark.parametrize(
    "text", ["", "hunter2", "{}", '{"kty":"oct","k":"c2VjcmV0"}', "-----BEGIN PRIVATE KEY-----\nx"]
)
def test_a_key_that_cannot_sign_is_refused_without_showing_it(text: str, state: str) -> None:
    with pytest.raises(ConfigError) as caught:
        security_event_tokens(text, "a", "b", revoke=False)
    assert not text or text not in str(caught.value)


def test_a_group_in_a_group_is_referred_to_as_a_group(state: str) -> None:
    event = Event(
        7, "RUN-0-0", "group.member_added", "g", {
            "id": "RUN-0-0", "occurred_at": "2026-11-28T07:48:09.123Z", "before": None, "after": None, "changed": [],
            "object": {"kind": "group", "id": "g", "record": "g1"},
            "member": {"kind": "group", "id": "h", "record": "g2", "key": "g2"},
        },
    )  # fmt: skip
    [claims] = claims_of(event, "https://sync.example", "https://crm.example", revoke=False)
    [operation] = claims["events"][f"{PROV}patch:full"]["data"]["Operations"]
    assert operation["value"] == [{"value": "h", "$ref": "/Groups/h"}]
