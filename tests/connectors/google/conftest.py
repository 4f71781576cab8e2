"""A fake Google for each test. After the test, no reply may have been one that Google would not send."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("googleapiclient", reason="the extra google is not installed")

from tests.connectors.google.directory import Directory
from tests.fakes.google import Google, Tenant, company


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Callable[..., Directory]]:
    """A function that starts a fake: ``tenant`` (default: a small company), and options of the directory."""
    started: list[Google] = []

    def begin(tenant: Tenant | None = None, **options: Any) -> Directory:
        google = Google(tenant or company())
        started.append(google)
        return Directory(google, tmp_path, **options)

    yield begin
    for google in started:
        google.stop()
    assert not [fault for google in started for fault in google.unfaithful]


@pytest.fixture
def directory(start: Callable[..., Directory]) -> Directory:
    return start()
