"""A small tenant in a fake of Graph, with pages so small that everything is split over several."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.fakes.graph import Graph, company


@pytest.fixture
def graph() -> Iterator[Graph]:
    with Graph(company(users=60, groups=8, memberships=200), page_size=7, members_per_item=10) as graph:
        yield graph
