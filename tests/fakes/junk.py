"""JSON with one wrong value."""

from __future__ import annotations

import json
from collections.abc import Iterator
from random import Random
from typing import Any

JUNK: tuple[Any, ...] = (
    None, True, -1, 0, 10**30, 1.5e308, "", "no", "9" * 6_000, "x" * 100_000, "a\nb\0c",
    "1970-01-01T00:00:00Z", "../../x?y#z",
    "https://[", "https://user@evil.example:99999/", [], [None], ["x"], {}, {"id": {}}, [[[[[[]]]]]],
)  # fmt: skip


def spoilt(body: bytes, random: Random) -> bytes:
    """The body with one value removed or replaced."""
    whole = json.loads(body)
    places = list(_places(whole))
    if not places:
        return json.dumps(random.choice(JUNK)).encode()
    holder, key = random.choice(places)
    if isinstance(holder, dict) and random.random() < 0.2:
        del holder[key]
    else:
        holder[key] = random.choice(JUNK)
    return json.dumps(whole).encode()


def _places(value: Any) -> Iterator[tuple[Any, Any]]:
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, each in inner:
        yield value, key
        yield from _places(each)
