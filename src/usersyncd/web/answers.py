"""Answers that refuse a request: SCIM errors below ``/scim/``, problem details (RFC 9457) elsewhere."""

from __future__ import annotations

from collections.abc import Mapping
from http import HTTPStatus

import msgspec
from starlette.responses import Response
from starlette.types import Scope

from usersyncd.core.digest import encode
from usersyncd.scim.answers import error_of
from usersyncd.scim.errors import ScimError
from usersyncd.web.bodies import Problem


def refusal(scope: Scope, status: int, detail: str, headers: Mapping[str, str] | None = None) -> Response:
    """The answer to a refused request. ``detail``: a sentence for the person who reads the client's log."""
    if is_scim(scope):
        return Response(encode(error_of(ScimError(status, detail))), status, headers, "application/scim+json")
    problem = Problem(status, HTTPStatus(status).phrase, detail)
    return Response(encode(msgspec.to_builtins(problem)), status, headers, "application/problem+json")


def is_scim(scope: Scope) -> bool:
    """Whether the request is for a SCIM resource."""
    path: str = scope["path"]
    return path.startswith("/scim/")


def too_many(scope: Scope, detail: str, seconds: int) -> Response:
    """The answer to a client that asks for more than its share."""
    return refusal(scope, 429, detail, {"retry-after": str(seconds)})


def busy(scope: Scope, detail: str, seconds: int = 1) -> Response:
    """The answer to a request that the client should repeat after some ``seconds``."""
    return refusal(scope, 503, detail, {"retry-after": str(seconds)})
