"""A third-party package of connectors, which is on the path as if it were installed."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from usersyncd import registry

SITE = Path(__file__).parent / "site"


@pytest.fixture
def acme(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The package ``acme-connectors`` is installed while the test runs."""
    monkeypatch.syspath_prepend(SITE)
    registry._load.cache_clear()
    yield
    registry._load.cache_clear()
    for name in [name for name in sys.modules if name.partition(".")[0] == "acme_connectors"]:
        del sys.modules[name]
