"""Fixtures of the tests of the target scim."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.connectors.scim.provisioning import Provisioning
from tests.servers.scim_server import ScimServer, ScimTenant


@pytest.fixture(params=["scim_server", "scimmy_server"])
def scim(request: pytest.FixtureRequest) -> ScimTenant:
    """A service provider without users and groups, of each family."""
    server: ScimServer = request.getfixturevalue(request.param)
    return server.tenant()


@pytest.fixture
def app(scim: ScimTenant, tmp_path: Path) -> Provisioning:
    """The profile strict, and the canonical attributes."""
    return Provisioning(scim, tmp_path)
