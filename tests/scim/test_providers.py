"""Each provider's requests, as it sends them, get the answers that it needs."""

from __future__ import annotations

from typing import Any

import httpx
import pytest

from tests.scim.replay import recordings, replay

SCENES = [
    pytest.param(scene["sends"], id=f"{provider}: {scene['name']}")
    for provider in ("entra", "okta", "canaille", "others")
    for scene in recordings(provider)
]


@pytest.mark.parametrize("sends", SCENES)
async def test_the_provider_gets_the_answers_that_it_needs(sends: Any, scim: httpx.AsyncClient) -> None:
    await replay(scim, sends, {})
