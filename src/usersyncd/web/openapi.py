"""The OpenAPI document of the API (OpenAPI 3.1)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from msgspec.json import schema_components

from usersyncd.core.report import DeliveryRun, PullRun

Operation = Mapping[str, Any]

PROBLEM = {
    "type": "object",
    "required": ["status", "title", "detail"],
    "properties": {"status": {"type": "integer"}, "title": {"type": "string"}, "detail": {"type": "string"}},
}
_WAIT = {
    "name": "wait",
    "in": "query",
    "description": "How long to wait for the result, such as 20s; at most 50s. Left out: not at all.",
    "schema": {"type": "string", "pattern": "^[0-9]{1,6}[smh]$"},
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


def document(more: Mapping[str, Operation]) -> dict[str, Any]:
    """The whole document. ``more``: the paths of other parts."""
    (run, delivery), runs = schema_components(
        [PullRun, DeliveryRun], schema_hook=_open, ref_template="#/components/schemas/{name}"
    )
    result = {
        "type": "object",
        "properties": {
            "status": {"const": "ended"},
            "pull": {"anyOf": [run, {"type": "null"}]},
            "deliveries": {"type": "array", "items": delivery},
        },
    }
    return {
        "openapi": "3.1.0",
        "info": {"title": "usersyncd", "version": "1"},
        "security": [{"token": []}],
        "paths": {
            "/api/v1/directories": {
                "get": _operation("List the directories", _ok({"type": "object"}), role="viewer"),
            },
            "/api/v1/directories/{directory}/pull": {
                "post": _operation(
                    "Pull a directory now, and deliver what changed",
                    _ok(result) | _accepted(),
                    role="operator",
                    parameters=[_DIRECTORY, _WAIT],
                    refusals=(400, 404),
                ),
            },
            "/api/v1/directories/{directory}/people/{person}": {
                "post": _operation(
                    "Pull one person now, and deliver what changed",
                    _ok(result) | _accepted(),
                    role="operator",
                    parameters=[_DIRECTORY, _PERSON, _WAIT],
                    refusals=(400, 404),
                ),
            },
            **more,
        },
        "components": {
            "securitySchemes": {"token": {"type": "http", "scheme": "bearer"}},
            "schemas": runs | {"Problem": PROBLEM},
        },
    }


def _operation(
    summary: str,
    answers: Mapping[str, Any],
    *,
    role: str,
    parameters: list[dict[str, Any]] | None = None,
    refusals: tuple[int, ...] = (),
) -> dict[str, Any]:
    return {
        "summary": summary,
        "description": f"Requires a token of the role {role}.",
        "parameters": parameters or [],
        "responses": dict(answers) | {str(status): _problem() for status in (401, 403, 429, 503, *refusals)},
    }


def _ok(schema: Mapping[str, Any]) -> dict[str, Any]:
    return {"200": {"description": "The result", "content": {"application/json": {"schema": schema}}}}


def _accepted() -> dict[str, Any]:
    schema = {"type": "object", "properties": {"status": {"const": "running"}}}
    content = {"application/json": {"schema": schema}}
    return {"202": {"description": "It goes on: the wait has ended before it", "content": content}}


def _problem() -> dict[str, Any]:
    content = {"application/problem+json": {"schema": {"$ref": "#/components/schemas/Problem"}}}
    return {"description": "Refused: `detail` says why", "content": content}


def _open(_type: type) -> dict[str, Any]:
    """The schema of the listed changes: reports of runs have them in memory only."""
    return {"type": "array"}
