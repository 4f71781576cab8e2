"""The google connector fulfils the contract of a source, with a fake Google over real HTTP."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

import pytest

pytest.importorskip("googleapiclient", reason="the extra google is not installed")

from tests.connectors.google.directory import reachable, truth
from tests.fakes.google import Google, company
from tests.fakes.google.signing import key_pair
from usersyncd.plugin import Kind
from usersyncd.testing import SourceContract
from usersyncd_google import GoogleSource


class TestGoogle(SourceContract):
    source = GoogleSource
    secrets = (key_pair("first")[0].splitlines()[3], "ya29.")

    @pytest.fixture
    def server(self) -> Iterator[Google]:
        google = Google(company())
        google.knobs.page_size = 10
        google.tenant.join(next(iter(google.tenant.groups)), google.tenant.customer)
        google.tenant.join(next(iter(google.tenant.groups)), "pat@partner.example")
        yield google
        google.stop()
        assert not google.unfaithful

    @pytest.fixture
    def options(self, server: Google) -> Mapping[str, Any]:
        return reachable(server)

    @pytest.fixture
    def break_directory(self, server: Google) -> Callable[[], object]:
        return server.stop

    @pytest.fixture
    def counts(self, server: Google) -> tuple[int, int, int]:
        records, edges = truth(server.tenant)
        users = sum(kind is Kind.USER for kind, _ in records)
        return users, len(records) - users, len(edges)

    @pytest.fixture
    def change_directory(self, server: Google) -> Callable[[], object]:
        tenant = server.tenant

        def change() -> None:
            group, members = next((key, list(found)) for key, found in [*tenant.members.items()][1:] if len(found) > 2)
            users = [member for member in members if member in tenant.users]
            tenant.part(group, users[0])
            tenant.leave(users[1])

        return change

    @pytest.fixture
    def lock_out(self, server: Google) -> Callable[[], object]:
        return lambda: setattr(server.knobs.revoke_token, "chance", 1.0)
