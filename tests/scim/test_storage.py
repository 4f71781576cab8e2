"""scim2-server's contract of storages, on the store of a directory."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest
from scim2_models import ScimProvider
from scim2_server.testing import AsyncScimStorageContract, BlockingStorage
from scim2_server.utils import load_default_provider

from tests.push.pushing import PushingWorld
from tests.run.migrated import migrated_sqlite
from tests.scim.storage import StorageOverStore

_provider = cache(load_default_provider)
"""Its models take a third of a second to make."""


class TestStore(AsyncScimStorageContract):
    """The contract, on SQLite: ``test_http.py`` tests listings and changes on PostgreSQL too."""

    @pytest.fixture
    def provider(self) -> ScimProvider:
        return _provider()

    @pytest.fixture
    def storage(self, tmp_path: Path, provider: ScimProvider) -> Iterator[BlockingStorage]:
        acme = PushingWorld(tmp_path, state=migrated_sqlite(tmp_path / "state.db"))
        with asyncio.Runner() as runner:
            receiving = acme.receiving()
            receiver = runner.run(receiving.__aenter__())
            yield BlockingStorage(StorageOverStore(receiver, provider), runner)
            runner.run(receiving.__aexit__(None, None, None))
        acme.database.close()

    @pytest.mark.skip("previousCursor is OPTIONAL (RFC 9865, section 2), and our listings have none")
    def test_cursor_pages_back(self) -> None: ...  # type: ignore[override]
