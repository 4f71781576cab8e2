"""docs/events.schema.json describes real events, and docs/events.md describes the same fields and types."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import jsonschema  # type: ignore[import-untyped]
import msgspec
import pytest

from tests.events.world import StreamWorld, all_types
from usersyncd.core.events import LONGEST, TYPES, to_json
from usersyncd.core.model import Guard
from usersyncd.deliver.send import send_plan
from usersyncd.web.events import operations
from usersyncd.web.openapi import document

DOCS = Path(__file__).parents[2] / "docs"
SCHEMA: dict[str, Any] = json.loads((DOCS / "events.schema.json").read_text("utf-8"))
CHECK = jsonschema.Draft202012Validator(SCHEMA, format_checker=jsonschema.FormatChecker())


@pytest.mark.parametrize("state", ["sqlite"], indirect=True)
def test_real_events_of_all_types_are_valid(stream: StreamWorld) -> None:
    events = all_types(stream)
    assert {event["type"] for event in events} == set(TYPES)
    assert any("redacted" in event for event in events)
    for event in events:
        CHECK.validate(event)
        assert set(event) <= set(SCHEMA["properties"])
        assert {"before", "after", "changed"} <= set(event), "the same fields in every event"
        if "member" in event:
            assert (event["before"], event["after"], event["changed"]) == (None, None, [])


@pytest.mark.parametrize("state", ["sqlite"], indirect=True)
def test_an_event_of_an_approved_delivery_names_who_approved(stream: StreamWorld) -> None:
    stream.target(guard=Guard(member_removals=None))
    everybody = [f"u{number}" for number in range(20)]
    stream.people(*everybody)
    assert stream.run().status == "succeeded"
    after = stream.cursor()
    stream.leave(*everybody[:10])
    assert stream.run().status == "held"
    assert not stream.events(after)
    stream.decide(by="ann", reason="the club closed")
    stream.deliver(cause="approval")
    events = stream.events(after)
    assert [event["type"] for event in events] == ["user.deactivated"] * 10
    for event in events:
        CHECK.validate(event)
        assert (event["cause"]["why"], event["cause"]["approved_by"]) == ("approval", ["ann"])
    after = stream.cursor()
    stream.people("new")
    stream.run()
    [event] = stream.events(after)
    assert "approved_by" not in event["cause"]


@pytest.mark.parametrize("state", ["sqlite"], indirect=True)
def test_a_delivery_that_is_interrupted_has_noted_who_approved(
    stream: StreamWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    stream.target(guard=Guard(member_removals=None))
    everybody = [f"u{number}" for number in range(20)]
    stream.people(*everybody)
    stream.run()
    after = stream.cursor()
    stream.leave(*everybody[:10])
    stream.run()
    stream.decide(by="ann")
    seen: list[dict[str, Any]] = []
    sent = send_plan

    async def look(*arguments: Any) -> bool:
        found = await sent(*arguments)
        seen.extend(stream.events(after))  # A sender may be as fast.
        return found

    monkeypatch.setattr("usersyncd.deliver.run.send_plan", look)
    stream.deliver(cause="approval")
    assert [event["cause"]["approved_by"] for event in seen] == [["ann"]] * 10


def test_the_schema_refuses_what_is_not_an_event() -> None:
    example = json.loads(re.findall(r"```json\n(.*?)```", (DOCS / "events.md").read_text("utf-8"), re.DOTALL)[0])
    CHECK.validate(example)
    for name in ("id", "sequence", "object", "after"):
        assert not CHECK.is_valid({key: value for key, value in example.items() if key != name})
    assert not CHECK.is_valid({**example, "type": "user.exploded"})
    assert not CHECK.is_valid({**example, "type": "group.member_added"})


def test_the_openapi_document_has_the_same_schema() -> None:
    described = document(operations())["components"]["schemas"]["Event"]
    assert described == {name: value for name, value in SCHEMA.items() if name != "$schema"}


def test_the_page_names_every_type_and_field() -> None:
    page = (DOCS / "events.md").read_text("utf-8")
    assert SCHEMA["properties"]["type"]["enum"] == [*TYPES]
    for name in (*TYPES, *SCHEMA["properties"]):
        assert f"`{name}`" in page or f"`{name}." in page, name


def test_a_webhook_gets_no_more_bytes_than_the_limit() -> None:
    big = {"about": "x" * 15_000}
    body = {"id": "R-0", "before": big, "after": big, "changed": ["about"]}
    text = to_json(body)
    assert len(text) <= LONGEST
    assert msgspec.json.decode(text) == {**body, "before": None, "omitted": ["before"]}
    huge = {"about": "x" * 50_000}
    assert msgspec.json.decode(to_json({**body, "after": huge}))["omitted"] == ["before", "after"]
    assert msgspec.json.decode(to_json({**body, "after": huge}, None))["after"] == huge
    created = to_json({**body, "before": None, "after": huge})
    assert msgspec.json.decode(created)["omitted"] == ["after"], "what was null anyway is not left out"
