"""Two applications follow the same directory, each with a stream, rules, tokens and retention of its own."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import httpx
import pytest
from starlette.routing import Router

from tests.cli.company import DIRECTORY, Company
from tests.cli.running import Usersyncd
from tests.events.world import plain
from usersyncd.config.load import load
from usersyncd.config.web import WebConfig
from usersyncd.daemon.feeds import feed_routes
from usersyncd.state.database import Database, open_database
from usersyncd.state.feed import read_snapshot
from usersyncd.web.auth import Doorkeeper

CRM = """\
  crm:
    connector: events
    users:
      key: id
      set: {id: user.id, userName: user.userName}
    options:
      tokens: [{name: crm, secret: {env: CRM_TOKEN}}]
"""
WIKI = """\
  wiki:
    connector: events
    users:
      key: email
      set: {email: user.email, name: user.displayName}
    options:
      initial: none
      retention: 7d
      tokens: [{name: wiki, secret: {env: WIKI_TOKEN}}]
"""
HEAD = (
    "state: sqlite:///state.db\nweb: {listen: 127.0.0.1:8470, url: 'https://sync.acme.example'}\n"
    + DIRECTORY
    + "targets:\n"
)
TOKENS = {"crm": "c" * 32, "wiki": "w" * 32, "news": "w" * 32}


@pytest.fixture
def company(tmp_path: Path, usersyncd: Usersyncd, monkeypatch: pytest.MonkeyPatch) -> Company:
    for name in ("crm", "wiki"):
        monkeypatch.setenv(f"{name.upper()}_TOKEN", TOKENS[name])
    made = Company(tmp_path)
    made.keep("users.csv", 5)
    (tmp_path / "acme" / "groups.csv").write_text("id,displayName\n")
    (tmp_path / "acme" / "members.csv").write_text("group_id,member_id\n")
    made.configure(HEAD + CRM + WIKI)
    return made


@pytest.fixture
def database(company: Company) -> Database:
    return open_database(f"sqlite:///{company.folder}/state.db")


def read(company: Company, database: Database, target: str, token: str) -> tuple[int, list[dict[str, Any]]]:
    """The status and the events of the feed of a target."""
    return asyncio.run(_read(company, database, target, token))


async def _read(company: Company, database: Database, target: str, token: str) -> tuple[int, list[dict[str, Any]]]:
    config = load(company.folder / "usersyncd.yaml")
    assert isinstance(config.web, WebConfig)
    app = Router(feed_routes(config, config.web, database)(Doorkeeper()))
    headers = {"authorization": f"Bearer {TOKENS[token]}"}
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app=app), base_url="http://usersyncd") as http:
        answer = await http.get("/api/v1/events", params={"target": target}, headers=headers)
    return answer.status_code, answer.json().get("events", [])


def extents(usersyncd: Usersyncd) -> list[tuple[str, int]]:
    """Each stream, and the number of its last event."""
    return [(one["target"], one["last"]) for one in json.loads(usersyncd("events", "--json").out)["streams"]]


def test_each_application_has_its_own_stream_of_the_same_directory(
    company: Company, usersyncd: Usersyncd, database: Database
) -> None:
    assert usersyncd("check").code == 0
    assert usersyncd("sync").code == 0
    assert extents(usersyncd) == [("crm", 5), ("wiki", 0)]
    [id_] = [row.split(",")[0] for row in (company.folder / "acme" / "users.csv").read_text().splitlines()[1:2]]
    company.edit_row(id_, lambda row: "")
    assert usersyncd("sync").code == 0
    assert extents(usersyncd) == [("crm", 6), ("wiki", 1)]
    _, of_crm = read(company, database, "crm", "crm")
    _, of_wiki = read(company, database, "wiki", "wiki")
    assert [event["type"] for event in of_crm] == ["user.created"] * 5 + ["user.deactivated"]
    assert [(event["sequence"], event["type"]) for event in of_wiki] == [(1, "user.deactivated")]
    assert (of_crm[-1]["object"]["key"], of_wiki[0]["object"]["record"]) == (id_, id_)
    assert set(of_crm[-1]["after"]) >= {"id", "userName"}
    assert "@" in of_wiki[0]["object"]["key"]
    assert of_crm[-1]["epoch"] != of_wiki[0]["epoch"]
    ids = [{one["id"] for one in plain(read_snapshot(database, name, None, 100))["users"]} for name in ("crm", "wiki")]
    assert [len(one) for one in ids] == [5, 5]
    assert ids[0].isdisjoint(ids[1]), "each stream has objects of its own"
    for target, token in (("crm", "wiki"), ("wiki", "crm")):
        assert (read(company, database, target, token))[0] == 401


def test_a_target_under_another_name_begins_another_stream(
    company: Company, usersyncd: Usersyncd, database: Database
) -> None:
    assert usersyncd("sync").code == 0
    company.configure(HEAD + CRM + WIKI.replace("  wiki:", "  news:").replace("initial: none", "initial: events"))
    assert usersyncd("sync").code == 0
    assert extents(usersyncd) == [("crm", 5), ("news", 5)]
    _, events = read(company, database, "news", "news")
    assert [event["type"] for event in events] == ["user.created"] * 5
    assert "events:wiki" in usersyncd("forget").out
    company.configure(HEAD + CRM + WIKI)
    assert usersyncd("sync").code == 0
    assert extents(usersyncd) == [("crm", 5), ("wiki", 0)], "the former stream goes on"
