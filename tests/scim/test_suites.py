"""The conformance suites that others keep, against the daemon: each has a directory of its own, on SQLite and on
PostgreSQL."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest
from scim2_client.engines.wsgi import WSGISCIMClient
from scim2_models.messages.patch_op import PatchOp
from scim2_tester import Status, check_server

from tests.scim.forwarder import Forwarder
from tests.servers.npm import installed
from tests.servers.postgres import Postgres
from tests.web.daemon import daemon

CONFIG = """
state: STATE
directories:
  tester: &suite {connector: scim, options: {tokens: [{name: suite, secret: {env: TOKEN}}]}}
  sanity: *suite
  client: *suite
  newman: *suite
targets:
  app: {connector: sql, options: {url: "sqlite:///app.db", create_tables: true}}
web:
  listen: 127.0.0.1:8470
  url: https://sync.acme.example
"""
TOKEN = "t" * 32
KEPT = "check_remove_attribute User: Attribute 'active' was not removed"
"""Only an explicit true gives access back: of a user who is inactive, ``active`` is not removed. The tester draws the
value that it removes, so it finds this in some runs only."""

NEWMAN = "newman@6.2.2"
COLLECTION = "https://raw.githubusercontent.com/AzureAD/SCIMReferenceCode/master/PostmanCollection.json"
CONTRADICTIONS = {
    ("Get ServiceProviderConfig", "Status code is 200"): "RFC 7644, section 4: /ServiceProviderConfig",
    ("Get ServiceProviderConfig", "Pach supported is true"): "RFC 7644, section 4: /ServiceProviderConfig",
    ("filter eq and (val or val)", "Total results"): "RFC 7644, section 3.4.2.2: compValue is JSON, text has quotes",
    ("filter starts with", "Total results"): "RFC 7644, section 3.4.2.2: compValue is JSON, text has quotes",
    ("filter greater than", "Total results"): "RFC 7644, section 3.4.2.2: compValue is JSON, text has quotes",
    ("Get group by id", "Body contians user"): "RFC 7643, section 4.2: a member has no displayName",
}
"""The assertions of Microsoft's collection that RFC 7644 contradicts, by request and assertion."""


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def service(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The URL of the daemon's SCIM service, without the directory."""
    state = "sqlite:///state.db"
    if request.param == "postgresql":
        server: Postgres = request.getfixturevalue("postgres_server")
        state = server.database(request.getfixturevalue("migrated"))
    with daemon(tmp_path_factory.mktemp("suites"), CONFIG.replace("STATE", state), {"TOKEN": TOKEN}) as running:
        yield f"{running.url}/scim/v2"
        assert "crashed" not in running.log


def test_scim2_tester_finds_only_that_an_inactive_user_stays_inactive(service: str) -> None:
    results = check_server(WSGISCIMClient(Forwarder(f"{service}/tester", TOKEN)))
    faults = {f"{each.title} {each.resource_type}: {each.reason}" for each in results if each.status == Status.ERROR}
    assert faults <= {KEPT}
    counts = Counter(each.status for each in results)
    assert counts[Status.SUCCESS] > 120
    assert not counts[Status.SKIPPED]


def test_scim_sanity_finds_only_that_a_patch_is_answered_with_204(service: str) -> None:
    """RFC 7644, section 3.5.2, allows 204 and 200; scim-sanity takes 204 for a fault."""
    command = [sys.executable, "-m", "scim_sanity", "probe", f"{service}/sanity", "--token", TOKEN]
    command += ["--i-accept-side-effects", "--json-output"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    report = json.loads(done.stdout)
    results = report["results"]
    failed = [each for each in results if each["status"] == "fail"]
    assert len(results) > 25
    assert all("got 204" in each["message"] and "PATCH" in each["name"] for each in failed), failed


def test_scim2_client_finds_its_way(service: str) -> None:
    """A strict client: it checks every answer against the schemas that the service publishes."""
    client = WSGISCIMClient(Forwarder(f"{service}/client", TOKEN))
    client.discover()
    model: Any = client.get_resource_model("User")
    patches: Any = PatchOp
    user: Any = client.create(model(user_name="anna", title="Boss"))
    assert user.id
    user.title = "Chief"
    assert client.replace(user).title == "Chief"
    patch = patches[model](operations=[{"op": "replace", "path": "nickName", "value": "A"}])
    client.modify(model, user.id, patch)
    found: Any = client.query(model, query_parameters={"filter": 'userName eq "ANNA"'})
    assert (found.total_results, found.resources[0].nick_name) == (1, "A")
    client.delete(model, user.id)
    left: Any = client.query(model)
    assert left.total_results == 0


@pytest.fixture(scope="session")
def newman(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The program, installed by npm into a folder of its own."""
    return installed(tmp_path_factory.mktemp("newman"), NEWMAN) / ".bin/newman"


@pytest.fixture(scope="session")
def collection() -> dict[str, Any]:
    """Microsoft's collection, from the file that POSTMAN_COLLECTION names, or from GitHub."""
    if path := os.environ.get("POSTMAN_COLLECTION"):
        return dict(json.loads(Path(path).read_text("utf-8")))
    try:
        answer = httpx.get(COLLECTION, timeout=20, follow_redirects=True)
        answer.raise_for_status()
    except httpx.HTTPError as error:
        pytest.skip(f"Microsoft's collection cannot be fetched ({error}): name a copy in POSTMAN_COLLECTION")
    return dict(answer.json())


def test_microsofts_collection_fails_only_where_it_contradicts_the_rfc(
    service: str, collection: dict[str, Any], newman: Path, tmp_path: Path
) -> None:
    """Its first request, for a token of Microsoft's own server, is left out; ``{{Api}}`` is our path."""
    address = urlsplit(f"{service}/newman")
    collection["item"] = [each for each in collection["item"] if each["name"] != "Get Token"]
    adapted = json.loads(json.dumps(collection).replace("{{Api}}", address.path.strip("/")))
    (tmp_path / "collection.json").write_text(json.dumps(adapted), "utf-8")
    variables = {"Protocol": "http", "Server": "127.0.0.1", "Port": f":{address.port}", "token": TOKEN}
    command = [str(newman), "run", "collection.json", "--reporters", "json", "--reporter-json-export", "report.json"]
    for name, value in variables.items():
        command += ["--env-var", f"{name}={value}"]
    subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=300, check=False)
    run = json.loads((tmp_path / "report.json").read_text("utf-8"))["run"]
    assert (run["stats"]["requests"]["total"], run["stats"]["assertions"]["total"]) == (78, 107)
    failed = {(each["source"]["name"], each["error"]["test"]) for each in run["failures"]}
    assert failed == set(CONTRADICTIONS)
