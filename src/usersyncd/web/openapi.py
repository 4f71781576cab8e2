"""The OpenAPI document of the API (OpenAPI 3.1). The schemas of answers are made from the types of their bodies."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from importlib.resources import files
from typing import Any

import msgspec
from msgspec.json import schema_components

from usersyncd.state.feed import SnapshotPage
from usersyncd.web.bodies import DirectoryList, EndedRequest, EventPage, KeySet, Problem, RunningRequest
from usersyncd.web.waiting import WAIT

Operation = Mapping[str, Any]
Parameter = Mapping[str, Any]

_BODIES = (Problem, DirectoryList, EndedRequest, RunningRequest, EventPage, SnapshotPage, KeySet)
_SCHEMAS = "#/components/schemas/"
_EVERYWHERE = (401, 429, 503)
"""The statuses with which every operation may refuse a request."""
_WAIT = {
    "name": "wait",
    "in": "query",
    "description": "How long to wait for the result, such as 20s; at most 50s. Left out: not at all.",
    "schema": WAIT,
}
_PERSON = {
    "name": "person",
    "in": "path",
    "required": True,
    "description": "The id, user name, email or key of a person.",
    "schema": {"type": "string", "minLength": 1, "maxLength": 600},
}
_DIRECTORY = {
    "name": "directory",
    "in": "path",
    "required": True,
    "description": "The name of a directory in the configuration.",
    "schema": {"type": "string", "pattern": "^[a-z0-9][a-z0-9_-]*$"},
}
_RUNNING = {"description": "It goes on: the wait has ended before it"}


def document(more: Mapping[str, Operation]) -> dict[str, Any]:
    """The whole document. ``more``: the paths of other parts."""
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "usersyncd",
            "version": "1",
            "description": "Fields may be added to answers. Directories that push use SCIM 2.0, which describes itself "
            "at /scim/v2/{directory}/ServiceProviderConfig, /ResourceTypes and /Schemas.",
        },
        "security": [{"token": []}],
        "paths": {
            "/api/v1/directories": {
                "get": operation("listDirectories", "List the directories", DirectoryList, role="viewer"),
            },
            "/api/v1/directories/{directory}/pull": {
                "post": _pull(
                    "pullDirectory", "Pull a directory now, and deliver what changed", [_DIRECTORY], (400, 404)
                ),
            },
            "/api/v1/directories/{directory}/people/{person}": {
                "post": _pull(
                    "pullPerson",
                    "Pull one person now, and deliver what changed. 404: nobody has this name; 409: several do",
                    [_DIRECTORY, _PERSON],
                    (400, 404, 409),
                ),
            },
            "/api/v1/openapi.json": {
                "get": operation("describe", "Read this document", {"type": "object"}, role="viewer"),
            },
            **more,
        },
        "components": {"securitySchemes": {"token": {"type": "http", "scheme": "bearer"}}, "schemas": _components()},
    }


def operation(
    id_: str,
    summary: str,
    answer: type | Mapping[str, Any],
    *,
    parameters: Sequence[Parameter] = (),
    refusals: Sequence[int] = (),
    role: str | None = None,
) -> dict[str, Any]:
    """An operation. ``answer``: the type of its body, or a schema. ``refusals``: the statuses with which it, beside
    those of all operations, refuses. ``role``: the role that its token has to have."""
    statuses = sorted({*_EVERYWHERE, *refusals, *(() if role is None else (403,))})
    ok = {"description": "The result", **_content("application/json", answer)}
    return {
        "operationId": id_,
        "summary": summary,
        **({} if role is None else {"description": f"Requires a token of the role {role}."}),
        "parameters": list(parameters),
        "responses": {"200": ok} | {str(status): _REFUSED for status in statuses},
    }


def public(id_: str, summary: str, media_type: str, answer: type | Mapping[str, Any]) -> dict[str, Any]:
    """An operation that asks for no token."""
    answers = {"200": {"description": "The result", **_content(media_type, answer)}, "503": _REFUSED}
    return {"operationId": id_, "summary": summary, "security": [], "responses": answers}


def reference(name: str) -> dict[str, str]:
    """A reference to a schema of the document."""
    return {"$ref": f"{_SCHEMAS}{name}"}


def _pull(id_: str, summary: str, parameters: list[Parameter], refusals: tuple[int, ...]) -> dict[str, Any]:
    found = operation(
        id_, summary, EndedRequest, parameters=[*parameters, _WAIT], refusals=refusals, role="operator"
    )  # fmt: skip
    found["responses"]["202"] = _RUNNING | _content("application/json", RunningRequest)
    return found


def _content(media_type: str, answer: type | Mapping[str, Any]) -> dict[str, Any]:
    schema = reference(answer.__name__) if isinstance(answer, type) else answer
    return {"content": {media_type: {"schema": schema}}}


_REFUSED = {"description": "Refused: `detail` says why", **_content("application/problem+json", Problem)}


def _components() -> dict[str, Any]:
    """The schemas of all bodies. A body always has all of its fields."""
    _, found = schema_components(_BODIES, schema_hook=_never_sent, ref_template=f"{_SCHEMAS}{{name}}")
    for schema in found.values():
        if "properties" in schema:
            schema["required"] = list(schema["properties"])
            schema["properties"] = {name: _without_default(one) for name, one in schema["properties"].items()}
    event = msgspec.json.decode((files("usersyncd.web") / "event.schema.json").read_bytes())
    found["Event"] = {name: value for name, value in event.items() if name != "$schema"}
    found["EventPage"]["properties"]["events"] = {"type": "array", "items": reference("Event")}
    return found


def _without_default(schema: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in schema.items() if name != "default"}


def _never_sent(_type: type) -> dict[str, Any]:
    """The schema of the listed changes: reports of runs have them in memory only."""
    return {"type": "null"}
