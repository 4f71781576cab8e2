"""Whatever a client sends that the OpenAPI document allows, and what it does not: no 500, and answers as described."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, settings
from schemathesis.specs.openapi.checks import (
    ignored_auth,
    missing_required_header,
    negative_data_rejection,
    positive_data_acceptance,
)

from tests.web.daemon import RunningDaemon, daemon
from usersyncd.web import events
from usersyncd.web.openapi import document

CONFIG = """
directories:
  hr: {connector: csv, every: 1h, options: {users: users.csv}}
targets:
  news: {connector: events, options: {tokens: [{name: crm, secret: {env: TOKEN}}]}}
web:
  listen: 127.0.0.1:8470
  url: https://sync.acme.example
  tokens: [{name: fuzzer, role: operator, secret: {env: TOKEN}}]
"""
TOKEN = "t" * 32
NOT_OURS = [ignored_auth, missing_required_header, negative_data_rejection, positive_data_acceptance]
"""After some wrong tokens of one address, further ones get 429 instead of 401; unknown parameters are
ignored; and not every text is a cursor."""

schema = schemathesis.openapi.from_dict(document(events.operations()))


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningDaemon]:
    folder = tmp_path_factory.mktemp("fuzz")
    (folder / "users.csv").write_text("id,userName\n1,ada\n")
    with daemon(folder, CONFIG, {"TOKEN": TOKEN}) as found:
        yield found


@schema.parametrize()
@settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
def test_answers_are_as_described(case: Any, running: RunningDaemon) -> None:
    answer = case.call(base_url=running.url, headers={"Authorization": f"Bearer {TOKEN}"})
    case.validate_response(answer, excluded_checks=NOT_OURS)
    assert "web.crashed" not in running.log
