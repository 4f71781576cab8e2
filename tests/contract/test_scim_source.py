"""The scim source that pulls fulfils the contract of a source, on two families of servers and by cursor; the one that
receives fulfils that of a directory that pushes."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, ClassVar

import pytest

from tests.servers.scim_server import TOKEN, ScimServer, ScimTenant
from usersyncd.testing import ReceivingContract, SourceContract
from usersyncd_scim import ScimSource

USERS, GROUPS = 7, 4


class ScimSourceContract(SourceContract):
    source = ScimSource
    secrets: ClassVar[tuple[str, ...]] = (TOKEN,)
    profile: ClassVar[str] = "page_size: 3"

    @pytest.fixture(autouse=True)
    def _token(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("SCIM_TOKEN", TOKEN)

    @pytest.fixture
    def options(self, scim: ScimTenant, folder: Path) -> Mapping[str, Any]:
        (folder / "shop.yaml").write_text(self.profile)
        ids = [
            scim.request("POST", "Users", {"userName": f"p{number}", "title": "Boss", "active": number != 3})["id"]
            for number in range(USERS)
        ]
        for number in range(GROUPS):
            members = [{"value": each} for each in ids[: number + 1]]
            group = scim.request("POST", "Groups", {"displayName": f"g{number}", "members": members})
            ids.append(group["id"])
        outer = [{"value": ids[-1]}, {"value": ids[0]}]
        scim.request("POST", "Groups", {"displayName": "outer", "members": outer})
        return {"url": scim.url, "token": {"env": "SCIM_TOKEN"}, "profile": "shop.yaml"}

    @pytest.fixture
    def counts(self) -> tuple[int, int, int]:
        return USERS, GROUPS + 1, sum(range(1, GROUPS + 1)) + 2

    @pytest.fixture
    def break_directory(self, scim: ScimTenant) -> Callable[[], object]:
        return lambda: scim.fault(status=503, body={"detail": f"no session for {TOKEN}"}, times=100_000)

    @pytest.fixture
    def lock_out(self, scim: ScimTenant) -> Callable[[], object]:
        return lambda: scim.fault(status=401, body={"detail": f"no session for {TOKEN}"}, times=100_000)


class TestIndex(ScimSourceContract):
    """Pages by startIndex."""


class TestCursor(ScimSourceContract):
    """Pages by cursor (RFC 9865)."""

    profile = "paging: cursor\npage_size: 3"


class TestScimmy(ScimSourceContract):
    """A server of another family."""

    @pytest.fixture
    def scim_server(self, scimmy_server: ScimServer) -> ScimServer:
        return scimmy_server


class TestReceiving(ReceivingContract):
    """A directory that pushes."""

    source = ScimSource
    secrets: ClassVar[tuple[str, ...]] = ("a-token-" * 4, "another-" * 4, "a-client-secret-" * 2)

    @pytest.fixture
    def options(self, monkeypatch: pytest.MonkeyPatch) -> Mapping[str, Any]:
        for name, secret in zip(("FIRST", "SECOND", "CLIENT"), self.secrets, strict=True):
            monkeypatch.setenv(name, secret)
        tokens = [{"name": name.lower(), "secret": {"env": name}} for name in ("FIRST", "SECOND")]
        return {"tokens": tokens, "oauth": {"client_id": "ping", "client_secret": {"env": "CLIENT"}}}

    @pytest.fixture
    def spoil_token(self, monkeypatch: pytest.MonkeyPatch) -> Callable[[], object]:
        return lambda: monkeypatch.setenv("SECOND", "short")
