"""Checks replies against Google's discovery documents, which come with google-api-python-client."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from functools import cache
from importlib.resources import files
from typing import Any

from jsonschema import Draft202012Validator  # type: ignore[import-untyped]

ANY = {
    "emails": "UserEmail", "externalIds": "UserExternalId", "languages": "UserLanguage", "locations": "UserLocation",
    "organizations": "UserOrganization", "phones": "UserPhone", "relations": "UserRelation",
}  # fmt: skip
"""Fields of User with the type ``any`` in the document -> the document's schema of their items."""


@cache
def document(api: str) -> dict[str, Any]:
    """The discovery document ``directory_v1`` or ``reports_v1``."""
    folder = files("googleapiclient") / "discovery_cache" / "documents"
    found: dict[str, Any] = json.loads((folder / f"admin.{api}.json").read_text("utf-8"))
    return found


def faults(api: str, schema: str, reply: Any) -> list[str]:
    """The errors in a reply of this schema; every field must be known and have the documented type."""
    return [f"{schema} {error.json_path}: {error.message}" for error in _validator(api, schema).iter_errors(reply)]


def strange(api: str, method: str, query: Mapping[str, str]) -> list[str]:
    """The errors in the parameters of a request; ``method`` is for example ``users.list``."""
    resource, _, name = method.partition(".")
    known = document(api)["resources"][resource]["methods"][name]["parameters"] | document(api)["parameters"]
    found = []
    for parameter, value in query.items():
        about = known.get(parameter)
        if about is None:
            found.append(f"{method}: no parameter {parameter}")
        elif value not in about.get("enum", [value]) or not re.fullmatch(about.get("pattern", ".*"), value):
            found.append(f"{method}: {parameter}={value}")
    return found


def has_field(api: str, schema: str, mask: dict[str, Any]) -> str | None:
    """The first field of a mask that the schema does not have; None when it has them all."""
    return _unknown(document(api)["schemas"], document(api)["schemas"][schema], mask)


def _unknown(schemas: dict[str, Any], schema: dict[str, Any], mask: dict[str, Any]) -> str | None:
    while "$ref" in schema or schema.get("type") == "array":
        schema = schemas[schema["$ref"]] if "$ref" in schema else schema["items"]
    if "properties" not in schema:
        return None
    for name, below in mask.items():
        if name == "*":
            continue
        if name not in schema["properties"]:
            return name
        if (unknown := _unknown(schemas, schema["properties"][name], below)) is not None:
            return unknown
    return None


@cache
def _validator(api: str, schema: str) -> Draft202012Validator:
    definitions = {name: _converted(each) for name, each in document(api)["schemas"].items()}
    if api == "directory_v1":
        for name, item in ANY.items():
            definitions["User"]["properties"][name] = {"type": "array", "items": {"$ref": f"#/$defs/{item}"}}
    return Draft202012Validator({"$defs": definitions, "$ref": f"#/$defs/{schema}"})


def _converted(schema: dict[str, Any]) -> dict[str, Any]:
    """Convert a schema of a discovery document (an early draft of JSON Schema) to the current draft."""
    if "$ref" in schema:
        return {"$ref": f"#/$defs/{schema['$ref']}"}
    kind = schema.get("type")
    found: dict[str, Any] = {} if kind in (None, "any") else {"type": kind}
    if kind == "string" and schema.get("format") == "int64":
        found["pattern"] = "^-?[0-9]+$"
    if "enum" in schema:
        found["enum"] = schema["enum"]
    if "items" in schema:
        found["items"] = _converted(schema["items"])
    if "properties" in schema:
        found["properties"] = {name: _converted(each) for name, each in schema["properties"].items()}
        found["additionalProperties"] = False
    elif "additionalProperties" in schema:
        found["additionalProperties"] = _converted(schema["additionalProperties"])
    return found
