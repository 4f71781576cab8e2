"""The JSON Schema is made from the models: it accepts the same files, and explains every key."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any

import jsonschema  # type: ignore[import-untyped]
import pytest

from usersyncd.config.document import Document
from usersyncd.config.schema import json_schema

pytestmark = pytest.mark.usefixtures("acme")

EXAMPLE = Path(__file__).parents[2] / "config.example.yaml"


@pytest.fixture
def validator(acme: None) -> jsonschema.Draft202012Validator:
    return _validator()


@cache
def _validator() -> jsonschema.Draft202012Validator:
    """With the schemas of the package ``acme-connectors``, as it is installed for each of these tests."""
    schema = json_schema()
    jsonschema.Draft202012Validator.check_schema(schema)
    return jsonschema.Draft202012Validator(schema)


def desk(**more: Any) -> dict[str, Any]:
    return {"directories": {"desk": {"connector": "acme-paper", **more}}}


def shelf(**more: Any) -> dict[str, Any]:
    return desk() | {"targets": {"t": {"connector": "acme-shelf", "options": {"height": 1}, **more}}}


def test_the_schema_accepts_the_example(validator: jsonschema.Draft202012Validator) -> None:
    validator.validate(Document("f", EXAMPLE.read_text("utf-8")).data)


@pytest.mark.parametrize(
    "data",
    [
        desk(),
        desk(every="1h30m", complete="daily at 02:00", attributes={"title": "role"}),
        desk(options={"url": ["a"], "password": {"env": "X"}, "inks": {"a": {"colour": "blue"}}}),
        desk()
        | {"lookups": {"a": {"b": "c"}, "d": {"file": "x", "key": "y", "value": "z"}}, "state": {"url": "sqlite:///x"}},
        desk()
        | {
            "targets": {
                "t": {
                    "connector": "acme-shelf",
                    "options": {"height": 1},
                    "guard": {"deletes": "5%", "deactivations": 3},
                }
            }
        },
        shelf(adopt="never", guard={"adoptions": "5%"}),
        shelf(verify="daily at 03:00", drift="keep"),
        shelf(verify="12h", drift={"title": "keep"}),
        shelf(protect=["root", 4711]),
        shelf(protect='role == "superadmin"'),
        shelf(protect={"users": 'role == "superadmin"', "groups": ["owners"]}),
    ],
)
def test_the_schema_accepts_valid_files(validator: jsonschema.Draft202012Validator, data: object) -> None:
    validator.validate(data)


@pytest.mark.parametrize(
    "data",
    [
        {},
        shelf(adopt="once"),
        shelf(protect={"user": []}),
        shelf(protect=[True]),
        shelf(protect=7),
        {"directories": {}},
        {"directories": {"Desk": {"connector": "acme-paper"}}},
        {"directories": {"desk": {"connector": "nothing"}}},
        desk(every="often"),
        desk(evry="1h"),
        desk(attributes={"mail": "x"}),
        desk(options={"torn": "maybe"}),
        desk(options={"password": "hunter2"}),
        desk(options={"inks": {"a": {"colour": "red"}}}),
        desk() | {"targets": {"t": {"connector": "acme-shelf"}}},
        desk()
        | {"targets": {"t": {"connector": "acme-shelf", "options": {"height": 1}, "guard": {"deletes": "101%"}}}},
        desk()
        | {
            "targets": {
                "t": {"connector": "acme-shelf", "options": {"height": 1}, "users": {"key": "a", "set": {"a": True}}}
            }
        },
    ],
)
def test_the_schema_refuses_wrong_files(validator: jsonschema.Draft202012Validator, data: object) -> None:
    assert not validator.is_valid(data)


def test_the_schema_explains_every_key() -> None:
    definitions = json_schema()["$defs"]
    for section in (
        "DirectorySection",
        "TargetSection",
        "RulesSection",
        "LeaversSection",
        "GuardSection",
        "ProtectSection",
        "StateSection",
        "LookupFile",
        "Secret",
    ):
        for name, described in definitions[section]["properties"].items():
            assert described.get("description"), f"{section}.{name}"


def test_the_schema_contains_the_options_of_connectors() -> None:
    definitions = json_schema()["$defs"]
    assert definitions["source.acme-paper"]["description"] == "A directory on paper."
    assert definitions["source.acme-paper.Ink"]["properties"]["seal"]["description"] == "What closes the letter."
