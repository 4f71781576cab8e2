"""A company whose people pass through SCIM twice: CSV → target `scim` → our own SCIM service → SQL and events.

Whatever happens to the people, and however often the daemon is killed, the end holds what the beginning says.
"""

from __future__ import annotations

import csv
import json
import random
import sqlite3
import time
from contextlib import closing
from pathlib import Path

import httpx
import pytest
from msgspec import Struct, field, structs

from tests.pages import free_port
from tests.web.daemon import RunningDaemon, daemon

CONFIG = """
directories:
  hr: {connector: csv, every: 1h, options: {users: users.csv, groups: groups.csv, members: members.csv}}
  cloud: {connector: scim, options: {tokens: [{name: hr, secret: {env: PUSH}}], quota: {requests_per_minute: 600000}}}
targets:
  provider:
    connector: scim
    directories: [hr]
    guard: {deletes: unlimited, deactivations: unlimited, member_removals: unlimited, reactivations: unlimited,
            blanked: unlimited, emptied: unlimited}
    options: {url: "http://127.0.0.1:8470/scim/v2/cloud", token: {env: PUSH}}
  app:
    connector: sql
    directories: [cloud]
    guard: {deletes: unlimited, deactivations: unlimited, member_removals: unlimited, reactivations: unlimited,
            blanked: unlimited, emptied: unlimited}
    options: {url: "sqlite:///app.db", create_tables: true}
    users:
      key: external_id
      set: {external_id: user.raw.externalId, login: user.userName, email: user.email, active: user.active,
            title: user.title}
    groups: {key: external_id, set: {external_id: group.raw.externalId, name: group.displayName}}
  news:
    connector: events
    directories: [cloud]
    guard: {deletes: unlimited, deactivations: unlimited, member_removals: unlimited, reactivations: unlimited,
            blanked: unlimited, emptied: unlimited}
    options: {tokens: [{name: reader, secret: {env: READ}}]}
web:
  listen: 127.0.0.1:8470
  url: http://127.0.0.1:8470
  tokens: [{name: test, role: operator, secret: {env: ASK}}]
"""
TOKENS = {name: name.lower() + "-" + "t" * 30 for name in ("PUSH", "READ", "ASK")}
STEPS = 12
SECONDS = 60.0
"""How long the end may take to hold what the beginning says, on a busy machine."""


class Row(Struct):
    login: str
    email: str
    title: str
    active: bool = True


class Company(Struct):
    """What the files say. ``left``: the people who are not in them any more, as they were last
    ``written``."""

    users: dict[str, Row] = field(default_factory=dict)
    left: dict[str, Row] = field(default_factory=dict)
    written: dict[str, Row] = field(default_factory=dict)
    groups: dict[str, str] = field(default_factory=dict)
    members: set[tuple[str, str]] = field(default_factory=set)
    hired: int = 0

    def change(self, chance: random.Random) -> None:
        """One random event in the life of the company."""
        events = [self.hire, self.hire, self.leave, self.rename, self.regroup, self.regroup, self.found, self.suspend]
        chance.choice(events)(chance)

    def hire(self, chance: random.Random) -> None:
        self.hired += 1
        login = f"user{self.hired}"
        self.users[str(self.hired)] = Row(f"{login}@acme.example", f"{login}@acme.example", chance.choice(["A", "B"]))

    def leave(self, chance: random.Random) -> None:
        if self.users:
            who = chance.choice(sorted(self.users))
            del self.users[who]
            if who in self.written:
                self.left[who] = self.written[who]
            self.members = {(group, member) for group, member in self.members if member != who}

    def rename(self, chance: random.Random) -> None:
        if self.users:
            row = self.users[chance.choice(sorted(self.users))]
            row.email = f"new{chance.randrange(10**6)}@acme.example"
            row.login = chance.choice([row.login, f"login{chance.randrange(10**6)}@acme.example"])
            row.title = chance.choice(["A", "B", "Č <&> \"'"])

    def suspend(self, chance: random.Random) -> None:
        if self.users:
            row = self.users[chance.choice(sorted(self.users))]
            row.active = not row.active

    def found(self, chance: random.Random) -> None:
        number = chance.randrange(6)
        if f"g{number}" in self.groups and chance.random() < 0.4:
            del self.groups[f"g{number}"]
            self.members = {(group, member) for group, member in self.members if group != f"g{number}"}
        else:
            self.groups[f"g{number}"] = f"group {number} {chance.randrange(100)}"

    def regroup(self, chance: random.Random) -> None:
        if self.groups and self.users:
            edge = chance.choice(sorted(self.groups)), chance.choice(sorted(self.users))
            self.members ^= {edge}

    def write(self, folder: Path) -> None:
        self.written = {id_: structs.replace(row) for id_, row in self.users.items()}
        rows = [(id_, row.login, row.email, row.title, str(row.active).lower()) for id_, row in self.users.items()]
        _write(folder / "users.csv", ["id", "userName", "email", "title", "active"], rows)
        _write(folder / "groups.csv", ["id", "displayName"], self.groups.items())
        _write(folder / "members.csv", ["group_id", "member_id"], self.members)


def _write(file: Path, header: list[str], rows: object) -> None:
    with file.with_suffix(".new").open("w", newline="", encoding="utf-8") as new:
        writer = csv.writer(new)
        writer.writerow(header)
        writer.writerows(rows)  # type: ignore[arg-type]
    file.with_suffix(".new").rename(file)


def expected(company: Company) -> object:
    users = {id_: (row.login, row.email, row.title, row.active) for id_, row in company.users.items()}
    left = {id_: (row.login, row.email, row.title, False) for id_, row in company.left.items()}
    return users | left, company.groups, company.members


def held_by_app(folder: Path) -> object:
    with closing(sqlite3.connect(f"file:{folder}/app.db?mode=ro", uri=True)) as app:
        users = app.execute("SELECT record_id, external_id, login, email, title, active FROM users").fetchall()
        groups = app.execute("SELECT record_id, external_id, name FROM groups").fetchall()
        edges = app.execute("SELECT group_id, member_id FROM group_members").fetchall()
    return _joined(users, groups, edges)


def _joined(users: list[tuple], groups: list[tuple], edges: list[tuple]) -> object:  # type: ignore[type-arg]
    of_user, of_group = ({record: external for record, external, *_ in rows} for rows in (users, groups))
    return (
        {external: (*rest, bool(active)) for _, external, *rest, active in users},
        {external: name for _, external, name in groups},
        {(of_group.get(group, group), of_user.get(member, member)) for group, member in edges},
    )


def difference(held: object, wanted: object) -> str:
    """What differs, for the message of a failure."""
    assert isinstance(held, tuple)
    assert isinstance(wanted, tuple)
    found = []
    for one, other in zip(held, wanted, strict=True):
        pairs = [set(each.items()) if isinstance(each, dict) else each for each in (one, other)]
        found.append(f"held {sorted(pairs[0] - pairs[1])}, wanted {sorted(pairs[1] - pairs[0])}")
    return "; ".join(found)


class Reader:
    """An application that follows the feed."""

    def __init__(self) -> None:
        self.cursor: str | None = None
        self.sequence = 0
        self.seen: set[str] = set()
        self.users: dict[str, bool] = {}
        self.groups: set[str] = set()
        self.members: set[tuple[str, str]] = set()

    def follow(self, running: RunningDaemon) -> None:
        while True:
            query = {"limit": "7"} | ({} if self.cursor is None else {"after": self.cursor})
            headers = {"authorization": f"Bearer {TOKENS['READ']}"}
            answer = httpx.get(f"{running.url}/api/v1/events", params=query, headers=headers, trust_env=False)
            assert answer.status_code == 200, answer.text
            page = answer.json()
            for event in page["events"]:
                self.take(event)
            self.cursor = page["cursor"]
            if not page["more"]:
                return

    def take(self, event: dict) -> None:  # type: ignore[type-arg]
        assert event["sequence"] == self.sequence + 1, "a gap, or another order"
        assert event["id"] not in self.seen
        self.sequence = event["sequence"]
        self.seen.add(event["id"])
        id_, type_ = event["object"]["id"], event["type"]
        match type_:
            case "user.created" | "user.reactivated" | "user.updated":
                assert (id_ in self.users) is (type_ != "user.created")
                self.users[id_] = event["after"].get("active", True)
            case "user.deactivated":
                self.users[id_] = False
            case "user.deleted":
                del self.users[id_]
            case "group.created" | "group.updated":
                assert (id_ in self.groups) is (type_ != "group.created")
                self.groups.add(id_)
            case "group.deleted":
                self.groups.remove(id_)
                self.members = {(group, member) for group, member in self.members if group != id_}
            case "group.member_added":
                self.members.add((id_, event["member"]["id"]))
            case "group.member_removed":
                self.members.discard((id_, event["member"]["id"]))

    def counts(self) -> object:
        return sum(self.users.values()), len(self.users), len(self.groups), len(self.members)


def counted(company: Company) -> object:
    active = sum(row.active for row in company.users.values())
    return active, len(company.users) + len(company.left), len(company.groups), len(company.members)


def pull(running: RunningDaemon) -> None:
    """Pull the beginning, and wait for the delivery to our own SCIM service."""
    headers = {"authorization": f"Bearer {TOKENS['ASK']}"}
    path = f"{running.url}/api/v1/directories/hr/pull?wait=50s"
    httpx.post(path, headers=headers, trust_env=False, timeout=60)


@pytest.mark.parametrize("seed", [1, 2])
def test_the_end_holds_what_the_beginning_says(tmp_path: Path, seed: int) -> None:
    chance, company, reader = random.Random(seed), Company(), Reader()
    port = free_port()  # The same after each restart: it is a part of the target's identity.
    for _ in range(8):
        company.hire(chance)
    company.found(chance)
    for step in range(STEPS):
        for _ in range(chance.randrange(1, 8)):
            company.change(chance)
        company.write(tmp_path)
        kill = chance.random() < 0.35
        if kill:  # in the middle of the work
            with daemon(tmp_path, CONFIG, TOKENS, port) as running:
                time.sleep(chance.random() * 0.5)
                running.kill()
        with daemon(tmp_path, CONFIG, TOKENS, port) as running:
            pull(running)
            end = time.monotonic() + SECONDS
            while (held := held_by_app(tmp_path)) != expected(company) and time.monotonic() < end:
                time.sleep(0.1)
            assert held == expected(company), (step, difference(held, expected(company)), running.log[-3000:])
            while reader.counts() != counted(company) and time.monotonic() < end:
                reader.follow(running)
                time.sleep(0.05)
            assert reader.counts() == counted(company), (step, running.log[-3000:])
        assert not [line for line in running.log.splitlines() if json.loads(line)["event_name"].endswith("crashed")]
