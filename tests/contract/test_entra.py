"""The entra connector fulfils the contract of a source, with a fake of Microsoft Graph."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from tests.connectors.entra.tenants import options_of
from tests.fakes.graph import SECRET, Graph, company
from usersyncd.testing import SourceContract
from usersyncd_entra import EntraSource


class TestEntra(SourceContract):
    source = EntraSource
    secrets = (SECRET,)

    @pytest.fixture
    def graph(self) -> Iterator[Graph]:
        with Graph(company(users=50, groups=6, memberships=150)) as graph:
            yield graph

    @pytest.fixture
    def options(self, graph: Graph, tmp_path: Path) -> Mapping[str, Any]:
        return options_of(graph, tmp_path)

    @pytest.fixture
    def break_directory(self, graph: Graph) -> Callable[[], object]:
        return graph.stop

    @pytest.fixture
    def counts(self, graph: Graph) -> tuple[int, int, int] | None:
        tenant = graph.tenant
        return len(tenant.users), len(tenant.groups), len(set(tenant.edges()))

    @pytest.fixture
    def change_directory(self, graph: Graph) -> Callable[[], object]:
        tenant = graph.tenant

        def change() -> None:
            group, first, second = next((each, *tenant.direct(each)[:2]) for each in tenant.groups)
            tenant.leave(group, first)
            tenant.delete(second)
            tenant.add_user()

        return change

    @pytest.fixture
    def lock_out(self, graph: Graph) -> Callable[[], object]:
        def revoke() -> None:
            graph.signin.app.secret_expired = True
            graph.signin.revoke()

        return revoke


class TestListing(TestEntra):
    """With conditions, every pull is complete and reads plain lists."""

    @pytest.fixture
    def options(self, graph: Graph, tmp_path: Path) -> Mapping[str, Any]:
        narrow = {"users": {"filter": "userType eq 'Member'"}, "groups": {"filter": "startsWith(displayName,'team')"}}
        return {**options_of(graph, tmp_path), **narrow}

    @pytest.fixture
    def counts(self) -> None:
        return None
