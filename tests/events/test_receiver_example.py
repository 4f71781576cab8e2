"""examples/receiver/receive.py takes every type of event, and always answers."""

from __future__ import annotations

import contextlib
import importlib.util
import io
import json
import threading
from collections.abc import Iterator
from datetime import UTC, datetime
from http.server import HTTPServer
from typing import Any

import httpx
import pytest
from standardwebhooks.webhooks import Webhook

from tests.events.sending import OTHER_SECRET, SECRET
from tests.events.world import StreamWorld, all_types
from tests.pages import ROOT
from usersyncd.core.events import TYPES

pytestmark = pytest.mark.parametrize("state", ["sqlite"], indirect=True)


@pytest.fixture
def url(state: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """The address of the running example."""
    monkeypatch.setenv("CRM_SECRET", SECRET)
    spec = importlib.util.spec_from_file_location("receive", ROOT / "examples" / "receiver" / "receive.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    server = HTTPServer(("127.0.0.1", 0), module.Receiver)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}/hook"
    server.shutdown()
    thread.join()
    server.server_close()


def post(url: str, body: Any, secret: str = SECRET) -> int:
    """The status with which a signed body is answered."""
    text, now = body if isinstance(body, str) else json.dumps(body), datetime.now(UTC)
    headers = {
        "webhook-id": "x",
        "webhook-timestamp": str(int(now.timestamp())),
        "webhook-signature": Webhook(secret).sign("x", now, text),
    }
    return httpx.post(url, content=text, headers=headers, timeout=20).status_code


def test_the_example_takes_every_type_of_event(stream: StreamWorld, url: str) -> None:
    events = all_types(stream)
    assert {event["type"] for event in events} == set(TYPES)
    with contextlib.redirect_stdout(io.StringIO()) as out:
        assert [post(url, event) for event in events] == [204] * len(events)
    lines = out.getvalue().splitlines()
    assert [line.split()[:2] for line in lines] == [[str(event["sequence"]), event["type"]] for event in events]
    assert any(line.endswith("user.created anna") for line in lines)
    assert any(line.endswith("group.member_added g1 u1") for line in lines)


@pytest.mark.parametrize(
    ("body", "secret", "status"),
    [
        ({"id": "x"}, SECRET, 500),
        ("[]", SECRET, 500),
        ("no JSON", SECRET, 400),
        ({"id": "x"}, OTHER_SECRET, 401),
    ],
)
def test_the_example_answers_what_it_cannot_take(url: str, body: Any, secret: str, status: int) -> None:
    assert post(url, body, secret) == status


def test_the_example_answers_a_body_without_a_length(url: str) -> None:
    assert httpx.post(url, content=iter([b"x"]), timeout=20).status_code == 400
