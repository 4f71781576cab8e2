"""A valid file becomes frozen models with every default."""

from __future__ import annotations

from datetime import time, timedelta
from pathlib import Path

import pytest

from tests.config.writing import DESK, loaded, written
from usersyncd.config import Complete, load
from usersyncd.core.model import Constant, Guard, Leavers, Limit, Rule, Ruleset
from usersyncd.core.protection import Protection
from usersyncd.errors import Place
from usersyncd.plugin import Kind, Secret

pytestmark = pytest.mark.usefixtures("acme")

SHELF = """\
targets:
  shelf:
    connector: acme-shelf
    options: {height: 3}
"""


def test_the_smallest_file_has_every_default(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("STATE_DIRECTORY", raising=False)
    config = loaded(tmp_path, DESK + SHELF)
    assert config.file == tmp_path / "config.yaml"
    assert config.folder == tmp_path
    assert config.state.url == f"sqlite:///{tmp_path}/usersyncd.db"
    desk, shelf = config.directories["desk"], config.targets["shelf"]
    assert (desk.every, desk.complete, desk.attributes) == (
        timedelta(minutes=15),
        None,
        {Kind.USER: {}, Kind.GROUP: {}},
    )
    assert shelf.directories == ("desk",)
    assert shelf.users == shelf.groups == Ruleset()
    assert (shelf.memberships, shelf.leavers, shelf.guard) == ("flattened", Leavers(), Guard())
    assert (shelf.guard.deletes, shelf.guard.member_removals) == (Limit(10, True), Limit(30, True))
    assert (shelf.guard.adoptions, shelf.adopt, shelf.protect) == (Limit(10, True), "first", {})
    assert config.lookups == {}


def test_every_key_is_loaded(tmp_path: Path) -> None:
    (tmp_path / "sites.csv").write_text("code,city\nB,Berlin\n\nL,Lyon\n")
    config = loaded(
        tmp_path,
        """\
        state: {url: "postgresql://sync@db/usersyncd", password: {credential: state}}
        directories:
          desk:
            connector: acme-paper
            every: 1h30m
            complete: daily at 02:00
            options:
              url: [paper://a, paper://b]
              password: {env: PAPER}
              pages: [1, 2]
              folder: x
              inks: {a: {blots: 2}}
            attributes:
              title: role
              active: raw.state == "in"
          drawer: {connector: acme-paper, complete: 1w}
        targets:
          shelf:
            connector: acme-shelf
            options: {height: 3}
            directories: [drawer]
            users:
              where: user.active
              key: login
              set:
                login: user.id
                role: {value: member}
                nothing: {value: null}
                long: |
                  user.givenName
            groups:
              where: group.displayName.startsWith("app-")
              key: displayName
            memberships: direct
            leavers: {delete_after: 30d}
            guard: {deletes: 5%, deactivations: 2.5%, member_removals: 25, adoptions: 3, at_least: 0}
            adopt: never
            protect: [root, 4711]
        lookups:
          rooms: {"1": Aula}
          sites: {file: sites.csv, key: code, value: city}
        """,
    )

    def at(line: int, column: int) -> Place:
        return Place(f"{tmp_path}/config.yaml", line, column)

    assert config.state.password == Secret(credential="state")
    desk = config.directories["desk"]
    assert (desk.every, desk.complete) == (timedelta(minutes=90), Complete(at=time(2)))
    assert config.directories["drawer"].complete == Complete(every=timedelta(weeks=1))
    assert desk.options.model_dump(exclude={"password"}) == {
        "url": ["paper://a", "paper://b"], "pages": (1, 2), "folder": Path("x"), "torn": False,
        "inks": {"a": {"colour": "black", "blots": 2, "seal": None}},
    }  # fmt: skip
    assert desk.attributes[Kind.USER] == {
        "title": Rule("role", at(14, 14)),
        "active": Rule('raw.state == "in"', at(15, 15)),
    }
    shelf = config.targets["shelf"]
    assert shelf.directories == ("drawer",)
    assert shelf.users == Ruleset(
        Rule("user.active", at(23, 14)),
        "login",
        {
            "login": Rule("user.id", at(26, 16)),
            "role": Constant("member", at(27, 15)),
            "nothing": Constant(None, at(28, 18)),
            "long": Rule("user.givenName\n", at(30, 11)),
        },
    )
    assert (shelf.groups.key, shelf.memberships) == ("displayName", "direct")
    assert shelf.leavers == Leavers(timedelta(days=30))
    assert shelf.guard == Guard(
        deletes=Limit(5, True), deactivations=Limit(2.5, True), member_removals=Limit(25, False),
        adoptions=Limit(3, False), at_least=0,
    )  # fmt: skip
    assert shelf.adopt == "never"
    expected = Protection(frozenset({"root", "4711"}), written=("root", 4711))
    assert shelf.protect == dict.fromkeys(Kind, expected)
    assert config.lookups == {"rooms": {"1": "Aula"}, "sites": {"B": "Berlin", "L": "Lyon"}}


def test_sections_without_a_value_count_as_left_out(tmp_path: Path) -> None:
    config = loaded(tmp_path, DESK + "    options:\n    every:\ntargets:\nlookups:\nstate:\n")
    assert config.directories["desk"].every == timedelta(minutes=15)


@pytest.mark.parametrize(
    ("given", "resolved"),
    [
        ("sqlite:///var/state.db", "sqlite:///{folder}/var/state.db"),
        ("sqlite:///state.db?timeout=5", "sqlite:///{folder}/state.db?timeout=5"),
        ("sqlite:////srv/state.db", "sqlite:////srv/state.db"),
        ("postgresql+psycopg://sync@db/state", "postgresql+psycopg://sync@db/state"),
        ("SQLITE:///state.db", "sqlite:///{folder}/state.db"),
        ("PostgreSQL://Sync@db/State", "postgresql://Sync@db/State"),
    ],
)
def test_the_state_file_is_relative_to_the_configuration(tmp_path: Path, given: str, resolved: str) -> None:
    assert loaded(tmp_path, f"state: {given}\n{DESK}").state.url == resolved.format(folder=tmp_path)


def test_under_systemd_the_state_is_in_the_state_directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STATE_DIRECTORY", "/var/lib/usersyncd:/var/lib/other")
    assert loaded(tmp_path, DESK).state.url == "sqlite:////var/lib/usersyncd/usersyncd.db"


def test_the_file_is_named_as_the_user_named_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    written(tmp_path, DESK + "    attributes: {title: role}\n")
    monkeypatch.chdir(tmp_path)
    config = load("config.yaml")
    assert config.directories["desk"].attributes[Kind.USER]["title"].at == Place("config.yaml", 4, 25)
    assert (config.file, config.folder) == (Path("config.yaml"), tmp_path)


def test_leavers_set_takes_rules_and_constants(tmp_path: Path) -> None:
    (tmp_path / "config.yaml").write_text(
        DESK + SHELF + "    users: {key: mail, set: {mail: user.email, status: {value: here}, note: user.title}}\n"
        "    leavers: {set: {status: {value: left}, note: now()}}\n"
    )
    found = load(tmp_path / "config.yaml").targets["shelf"].leavers.set
    file = f"{tmp_path / 'config.yaml'}"
    assert found == {
        "status": Constant("left", Place(file, 9, 29)),
        "note": Rule("now()", Place(file, 9, 50)),
    }
