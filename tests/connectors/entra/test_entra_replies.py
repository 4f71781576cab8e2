"""Responses that the fake does not send: one reply at a time, without a server."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
import respx

from usersyncd.errors import SourceError
from usersyncd.plugin import Kind, Members, Patch, Record
from usersyncd.testing import Log, Pull, read, source_context
from usersyncd_entra import EntraSource

TENANT = "acme.onmicrosoft.com"
GRAPH = "https://graph.microsoft.com/v1.0"
LOGIN = f"https://login.microsoftonline.com/{TENANT}"
DELTA_LINK = {"@odata.deltaLink": f"{GRAPH}/users/delta?$deltatoken=x"}
ADA = {"id": "ada", "displayName": "Ada", "createdDateTime": "2020-01-01T00:00:00Z"}
READS = {Kind.USER: frozenset({"displayName", "manager"}), Kind.GROUP: frozenset({"displayName"})}


@pytest.fixture
def replies() -> Iterator[respx.Router]:
    """The replies of a sign-in, of one user and of one group."""
    with respx.mock(assert_all_called=False) as router:
        addresses = {"token_endpoint": f"{LOGIN}/oauth2/v2.0/token", "authorization_endpoint": f"{LOGIN}/authorize"}
        issuer = {"issuer": "https://login.microsoftonline.com/8c1d9c1f-4b0e-4b43-9d29-3f1c1c1c1c1c/v2.0"}
        router.get(f"{LOGIN}/v2.0/.well-known/openid-configuration").respond(json={**addresses, **issuer})
        token = {"access_token": "opaque", "expires_in": 3599, "token_type": "Bearer"}
        router.post(f"{LOGIN}/oauth2/v2.0/token").respond(json=token)
        for path, found in (("users", [ADA]), ("groups", [{"id": "g", "displayName": "G"}])):
            router.get(f"{GRAPH}/{path}").respond(json={"value": found, "@odata.count": 1})
            router.get(f"{GRAPH}/{path}/delta").respond(json={"value": found, **DELTA_LINK})
        yield router


async def pulled(folder: Path, log: Log | None = None, **more: Any) -> Pull:
    (folder / "secret").write_text("confidential")
    options = {"tenant": TENANT, "client_id": "app", "client_secret": {"file": "secret"}, **more}
    return await read(
        EntraSource(EntraSource.Options.model_validate(options), source_context(folder, reads=READS, log=log))  # type: ignore[arg-type]
    )


def says(router: respx.Router, path: str, *answers: dict[str, Any] | httpx.Response) -> None:
    replies = [answer if isinstance(answer, httpx.Response) else httpx.Response(200, json=answer) for answer in answers]
    router.get(f"{GRAPH}/{path}").mock(side_effect=replies)


async def test_a_round_of_one(replies: respx.Router, tmp_path: Path) -> None:
    pull = await pulled(tmp_path)
    assert list(pull.items) == [
        Record(Kind.USER, "ada", {"displayName": "Ada"}),
        Record(Kind.GROUP, "g", {"displayName": "G"}),
    ]
    request = replies.routes[5].calls[0].request
    assert request.headers["authorization"] == "Bearer opaque"
    assert request.headers["client-request-id"]
    assert request.url.params["$select"] == "createdDateTime,displayName,visibility,members"


async def test_a_lone_surrogate_does_not_fail_the_page(replies: respx.Router, tmp_path: Path) -> None:
    """A program that cuts text at a UTF-16 unit may leave half of a character."""
    ada, bob = {"id": "ada", "displayName": "Ada \ud83d"}, {"id": "bob", "displayName": "Bob \\ud83d \U0001f600"}
    body = json.dumps({"value": [ada, bob], **DELTA_LINK})
    assert '"Ada \\ud83d"' in body
    says(replies, "users/delta", httpx.Response(200, text=body, headers={"content-type": "application/json"}))
    names = [item.attributes["displayName"] for item in (await pulled(tmp_path)).items if isinstance(item, Record)]
    assert names == ["Ada \ud83d", "Bob \\ud83d \U0001f600", "G"]


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        ({"value": [ADA]}, "ended without the link to the next round"),
        ({"items": [ADA], **DELTA_LINK}, "not what was requested"),
        ({"value": {"id": "ada"}, **DELTA_LINK}, "not what was requested"),
        ([], "not what was requested"),
        (
            {"value": [], "@odata.nextLink": "https://evil.example/v1.0/users/delta?$skiptoken=x"},
            "sent a link to another host",
        ),
        (
            {"value": [], "@odata.nextLink": "http://graph.microsoft.com/v1.0/users/delta"},
            "sent a link to another host",
        ),
        (
            {"value": [], "@odata.nextLink": "https://graph.microsoft.com.evil.example/v1.0/"},
            "sent a link to another host",
        ),
        ({"value": [], "@odata.deltaLink": "https://evil.example/"}, "sent a link to another host"),
        (httpx.Response(501, text="<h1>Not implemented</h1>"), "answered 501"),
        (httpx.Response(302, headers={"Location": "https://proxy.example/login"}), "answered 302"),
        (httpx.Response(400, json={"error": "odd"}), "answered 400"),
        (httpx.Response(404, json={"error": {"code": "NotFound", "message": "No."}}), "answered 404 NotFound: No"),
    ],
)
async def test_an_impossible_reply(replies: respx.Router, tmp_path: Path, answer: Any, words: str) -> None:
    reply = answer if isinstance(answer, httpx.Response) else httpx.Response(200, json=answer)
    says(replies, "users/delta", reply)
    with pytest.raises(SourceError, match=words) as raised:
        await pulled(tmp_path)
    assert raised.value.remedy
    assert "$skiptoken" not in raised.value.message


@pytest.mark.parametrize(
    ("path", "item", "words"),
    [
        ("users", {"displayName": "Nobody"}, "unknown form: KeyError 'id'"),
        ("users", {"id": 7}, "unknown form: TypeError id 7"),
        ("groups", {"displayName": "Nothing"}, "not what was requested: Object missing required field"),
        ("groups", {"id": 7}, "not what was requested"),
        ("groups", "x", "not what was requested"),
    ],
)
async def test_an_object_of_an_unknown_form(
    replies: respx.Router, tmp_path: Path, path: str, item: dict[str, Any], words: str
) -> None:
    says(replies, f"{path}/delta", {"value": [item], **DELTA_LINK})
    with pytest.raises(SourceError, match=words):
        await pulled(tmp_path)


async def test_a_repeated_user_keeps_properties_that_are_not_repeated(replies: respx.Router, tmp_path: Path) -> None:
    link = {"@odata.nextLink": f"{GRAPH}/users/delta?$skiptoken=1"}
    again = {"id": "ada", "manager@delta": [{"id": "boris"}], "displayName": None}
    says(replies, "users/delta", {"value": [ADA], **link}, {"value": [again], **DELTA_LINK})
    pull = await pulled(tmp_path)
    assert list(pull.items)[:2] == [
        Record(Kind.USER, "ada", {"displayName": "Ada"}),
        Patch(Kind.USER, "ada", {"manager": "boris", "displayName": None}),
    ]


async def test_members_of_unknown_kinds(replies: respx.Router, tmp_path: Path) -> None:
    members = [
        {"@odata.type": "#microsoft.graph.user", "id": "ada"},
        {"@odata.type": "#microsoft.graph.agentUser", "id": "robot"},
        {"id": "of no type"},
        {"@odata.type": "#microsoft.graph.device", "id": "phone"},
    ]
    says(replies, "groups/delta", {"value": [{"id": "g", "members@delta": members}], **DELTA_LINK})
    log = Log()
    pull = await pulled(tmp_path, log)
    assert [item for item in pull.items if isinstance(item, Members)] == [
        Members("g", frozenset({"ada", "robot", "of no type"}))
    ]
    assert log.entries[-1]["device"] == 1


async def test_the_token_scope_depends_on_the_cloud(replies: respx.Router, tmp_path: Path) -> None:
    await pulled(tmp_path)
    form = replies.routes[1].calls[0].request.content.decode()
    assert "scope=https%3A%2F%2Fgraph.microsoft.com%2F.default" in form


async def test_the_sign_in_is_retried_when_it_is_busy(replies: respx.Router, tmp_path: Path) -> None:
    token = httpx.Response(200, json={"access_token": "opaque", "expires_in": 3599, "token_type": "Bearer"})
    replies.routes[1].mock(side_effect=[httpx.Response(503), httpx.ConnectError("gone"), token])
    assert (await pulled(tmp_path)).ends
