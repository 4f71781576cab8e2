"""Sends recorded requests of a provider, one after the other, and checks the answers."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import httpx
import yaml

RECORDED = Path(__file__).parent / "recorded"


def recordings(provider: str) -> list[Any]:
    """The recorded scenes of a provider: each has a name, and the requests under ``sends``."""
    scenes: list[Any] = yaml.safe_load((RECORDED / f"{provider}.yaml").read_text("utf-8"))
    return scenes


async def replay(client: httpx.AsyncClient, sends: Sequence[Mapping[str, Any]], known: dict[str, str]) -> None:
    """Send each request; ``${name}`` in it stands for what an earlier answer's ``saves`` has kept in ``known``.

    ``answers`` is the expected status, ``shows`` what the body has to contain, ``lacks`` the attributes that it must
    not have.
    """
    for number, request in enumerate(sends, 1):
        sent = _filled(request, known)
        body = sent.get("body")
        answer = await client.request(
            sent["method"],
            sent["path"],
            headers={"content-type": "application/scim+json", **sent.get("headers", {})},
            content=None if body is None else json.dumps(body),
        )
        where = f"request {number}, {sent['method']} {sent['path']}: {answer.status_code} {answer.text}"
        assert answer.status_code == sent["answers"], where
        got = answer.json() if answer.content else {}
        differs = _difference(sent.get("shows", {}), got)
        assert not differs, f"{where}\n{differs}"
        assert not set(sent.get("lacks", ())) & set(got), where
        known |= {name: got[attribute] for name, attribute in sent.get("saves", {}).items()}


def _filled(value: Any, known: Mapping[str, str]) -> Any:
    if isinstance(value, str):
        return re.sub(r"\$\{(\w+)\}", lambda found: known[found[1]], value)
    if isinstance(value, dict):
        return {_filled(key, known): _filled(part, known) for key, part in value.items()}
    return [_filled(part, known) for part in value] if isinstance(value, list) else value


def _difference(expected: Any, got: Any, where: str = "body") -> str:
    """What the answer lacks. Lists have to be as long as expected, objects may have more."""
    if isinstance(expected, dict) and isinstance(got, dict):
        parts = [_difference(part, got.get(key), f"{where}.{key}") for key, part in expected.items()]
        return "; ".join(filter(None, parts))
    if isinstance(expected, list) and isinstance(got, list) and len(expected) == len(got):
        pairs = zip(expected, got, strict=True)
        return "; ".join(filter(None, (_difference(*pair, f"{where}[{n}]") for n, pair in enumerate(pairs))))
    return "" if expected == got else f"{where} is {got!r}, not {expected!r}"
