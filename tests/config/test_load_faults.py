"""A wrong file is refused with all its faults, each at its place and in plain words."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.config.writing import DESK, fault, faults, loaded, place
from usersyncd.config import load
from usersyncd.errors import ConfigError

pytestmark = pytest.mark.usefixtures("acme")

SHELF = """\
targets:
  shelf:
    connector: acme-shelf
    options: {height: 3}
"""


WRONG = [
    ("directorys: {}\n" + DESK, (1, 1, "directorys"), "unknown key: did you mean directories?"),
    (DESK + "    evry: 5m\n", (4, 5, "directories.desk.evry"), "unknown key: did you mean every?"),
    (DESK + "    zzz: 5m\n", (4, 5, "directories.desk.zzz"), "unknown key: use one of attributes, complete, connector"),
    (DESK + "    options: {trn: true}\n", (4, 15, "directories.desk.options.trn"), "did you mean torn?"),
    (
        DESK + "    options: {inks: {a: {color: blue}}}\n",
        (4, 26, "directories.desk.options.inks.a.color"),
        "did you mean colour?",
    ),
    (
        DESK + "    options: {inks: {a: {colour: red}}}\n",
        (4, 34, "directories.desk.options.inks.a.colour"),
        "must be 'black' or 'blue'",
    ),
    (
        DESK + "    options: {inks: {a: {blots: -1}}}\n",
        (4, 33, "directories.desk.options.inks.a.blots"),
        "must be at least 0",
    ),
    (
        DESK + "    options: {blots: 1}\n",
        (4, 15, "directories.desk.options.blots"),
        "unknown key: it belongs under inks.NAME",
    ),
    (
        DESK + "    options: {inks: {a: {torn: true}}}\n",
        (4, 26, "directories.desk.options.inks.a.torn"),
        "unknown key: it belongs under options",
    ),
    (DESK + "    options: {torn: 1}\n", (4, 21, "directories.desk.options.torn"), "must be true or false"),
    (DESK + "    options: {pages: [1, x]}\n", (4, 26, "directories.desk.options.pages.1"), "must be a whole number"),
    (DESK + "    options: {pages: 1}\n", (4, 22, "directories.desk.options.pages"), "must be a list"),
    (
        DESK + "    options: {url: 5}\n",
        (4, 20, "directories.desk.options.url"),
        "must be text or a list: put it in quotes",
    ),
    (
        DESK + "    options: {url: [a, 5]}\n",
        (4, 24, "directories.desk.options.url.1"),
        "must be text: put it in quotes",
    ),
    (DESK + "    options: [1]\n", (4, 14, "directories.desk.options"), "must be a mapping (key: value)"),
    (DESK + "    every: 900\n", (4, 12, "directories.desk.every"), "must be a duration such as 30s"),
    (DESK + "    every: 15 min\n", (4, 12, "directories.desk.every"), "must be a duration such as 30s"),
    (DESK + "    every: 0s\n", (4, 12, "directories.desk.every"), "at least 1s"),
    (DESK + "    every: 999999w\n", (4, 12, "directories.desk.every"), "at most 100 years"),
    (DESK + "    complete: nightly\n", (4, 15, "directories.desk.complete"), "daily at 02:00"),
    (DESK + "    complete: daily at 24:00\n", (4, 15, "directories.desk.complete"), "daily at 02:00"),
    (DESK + "    attributes: {mail: x}\n", (4, 18, "directories.desk.attributes.mail"), "did you mean email?"),
    (
        DESK + "    attributes: {id: x}\n",
        (4, 18, "directories.desk.attributes.id"),
        "id is the directory's own immutable id",
    ),
    (DESK + "    attributes: {email: ''}\n", (4, 25, "directories.desk.attributes.email"), "must not be empty"),
    (
        DESK + "    attributes: {email: 5}\n",
        (4, 25, "directories.desk.attributes.email"),
        "must be text: put it in quotes",
    ),
    ("directories:\n  desk:\n", (2, 8, "directories.desk"), "must be a mapping (key: value) (it has no value)"),
    ("directories:\n  desk: {every: 5m}\n", (2, 3, "directories.desk.connector"), "is missing"),
    ("directories:\n  desk: {connector: }\n", (2, 10, "directories.desk.connector"), "has no value"),
    ("directories:\n  Desk: {connector: acme-paper}\n", (2, 3, "directories.Desk"), "a name has small letters"),
    ("directories: {}\n", (1, 14, "directories"), "must not be empty"),
    ("targets: {}\n", (1, 1, "directories"), "is missing"),
    ("state: mysql://db/x\n" + DESK, (1, 8, "state"), "begins with sqlite:/// or postgresql://"),
    ("state: 'sqlite://'\n" + DESK, (1, 8, "state"), "must name a file"),
    ("state: 'sqlite:///:memory:'\n" + DESK, (1, 8, "state"), "must name a file"),
    ("state: 'SQLite:///:memory:'\n" + DESK, (1, 8, "state"), "must name a file"),
    ("state: {password: {env: X}}\n" + DESK, (1, 1, "state.url"), "is missing"),
    ("state: 5\n" + DESK, (1, 8, "state"), "must be a URL as text, or {url, password}"),
    (
        DESK + SHELF + "    directories: [desk, deks]\n",
        (8, 25, "targets.shelf.directories.1"),
        "there is no directory “deks”: did you mean desk?",
    ),
    (DESK + SHELF + "    directories: [desk, desk]\n", (8, 25, "targets.shelf.directories.1"), "twice"),
    (DESK + SHELF + "    directories: []\n", (8, 18, "targets.shelf.directories"), "must not be empty"),
    (DESK + SHELF + "    directories: desk\n", (8, 18, "targets.shelf.directories"), "must be a list"),
    (
        DESK + SHELF + "    memberships: nested\n",
        (8, 18, "targets.shelf.memberships"),
        "must be 'flattened' or 'direct'",
    ),
    (
        DESK + SHELF + "    leavers: {delete_after: 30}\n",
        (8, 29, "targets.shelf.leavers.delete_after"),
        "must be now, or a duration",
    ),
    (
        DESK + SHELF + "    leavers: {set: {status: {value: left}}}\n",
        (8, 21, "targets.shelf.leavers.set.status"),
        "needs a normal value under users.set",
    ),
    (
        DESK + SHELF + "    leavers: {set: {mail: now()}}\n    users: {key: mail, set: {mail: user.email}}\n",
        (8, 21, "targets.shelf.leavers.set.mail"),
        "is the key",
    ),
    (
        DESK + SHELF + "    users: {key: m, set: {m: user.id, s: user.id}}\n"
        "    leavers: {set: {s: now()}, delete_after: now}\n",
        (9, 15, "targets.shelf.leavers.set"),
        "has no effect",
    ),
    (DESK + SHELF + "    guard: {deletes: 101%}\n", (8, 22, "targets.shelf.guard.deletes"), "must be a percentage"),
    (DESK + SHELF + "    guard: {deletes: -1}\n", (8, 22, "targets.shelf.guard.deletes"), "must be a percentage"),
    (DESK + SHELF + "    guard: {at_least: 5%}\n", (8, 23, "targets.shelf.guard.at_least"), "must be a whole number"),
    (DESK + SHELF + "    users: {key: k, set: {}}\n", (8, 26, "targets.shelf.users.set"), "must not be empty"),
    (
        DESK + SHELF + "    users: {key: lgin, set: {login: user.id}}\n",
        (8, 18, "targets.shelf.users.key"),
        "one of the names under `set`: did you mean login?",
    ),
    (
        DESK + SHELF + "    users: {set: {login: user.id}}\n",
        (8, 13, "targets.shelf.users.set"),
        "needs `key` beside it: which of login",
    ),
    (
        DESK + SHELF + "    users: {key: username}\n",
        (8, 18, "targets.shelf.users.key"),
        "a canonical attribute: did you mean userName?",
    ),
    (
        DESK + SHELF + "    users: {key: a, set: {a: true}}\n",
        (8, 30, "targets.shelf.users.set.a"),
        "a CEL expression as text, or a constant as {value: …}",
    ),
    (
        DESK + SHELF + "    users: {key: a, set: {a: {vale: 1}}}\n",
        (8, 31, "targets.shelf.users.set.a.vale"),
        "did you mean value?",
    ),
    (DESK + "lookups: {a: {file: x.csv, key: k}}\n", (4, 11, "lookups.a.value"), "is missing"),
    (DESK + "lookups: {a: {file: none.csv, key: k, value: v}}\n", (4, 21, "lookups.a.file"), "there is no file"),
    (DESK + "lookups: {a: {x: 5}}\n", (4, 18, "lookups.a.x"), "must be text: put it in quotes"),
    (DESK + "lookups: {a: [x]}\n", (4, 14, "lookups.a"), "must be a table {key: value}, or {file, key, value}"),
    (
        "directories: {desk: {connector: acme-papr}}\n",
        (1, 33, "directories.desk.connector"),
        "did you mean acme-paper?",
    ),
    (
        "directories: {desk: {connector: acme-shelf}}\n",
        (1, 33, "directories.desk.connector"),
        "is a target connector: it delivers to targets",
    ),
    (
        "directories: {desk: {connector: acme-future}}\n",
        (1, 33, "directories.desk.connector"),
        "was made for version 3",
    ),
    (DESK + "targets: {shelf: {connector: acme-shelf}}\n", (4, 11, "targets.shelf.options.height"), "is missing"),
]


@pytest.mark.parametrize(
    ("text", "where", "says"), WRONG, ids=[f"{where[2]}-{index}" for index, (_, where, _) in enumerate(WRONG)]
)
def test_a_fault_is_named_at_its_place_in_plain_words(
    tmp_path: Path, text: str, where: tuple[int, int, str], says: str
) -> None:
    found = [one for one in faults(tmp_path, text) if one.path == where[2]]
    assert [place(one) for one in found] == [where], [str(one) for one in faults(tmp_path, text)]
    assert says in found[0].message
    assert "Input" not in found[0].message


def test_all_faults_are_reported_at_once_in_the_order_of_the_file(tmp_path: Path) -> None:
    found = faults(
        tmp_path,
        """\
        state: mysql://x/y
        directories:
          desk:
            connector: acme-paper
            evry: 5m
            complete: 012
            options: {torn: maybe, password: hunter2}
          drawer: {connector: acme-nothing}
        targets:
          shelf:
            connector: acme-shelf
            directories: [dsk]
            users: {key: lgin, set: {login: user.id}}
        """,
    )
    assert [one.line for one in found] == [1, 5, 6, 7, 7, 8, 10, 12, 13]


def test_several_keys_missing_in_one_place_are_all_named(tmp_path: Path) -> None:
    found = faults(tmp_path, DESK + "lookups: {a: {file: x.csv}}\n")
    assert [one.path for one in found] == ["lookups.a.key", "lookups.a.value"]


def test_the_excerpt_shows_the_line_with_a_caret(tmp_path: Path) -> None:
    assert fault(tmp_path, DESK + "    evry: 5m\n").excerpt == "        evry: …\n        ^"
    assert fault(tmp_path, DESK + "    every: 5 m\n").excerpt == "        every: 5 m\n               ^"


def test_the_caret_stands_below_wide_characters(tmp_path: Path) -> None:
    found = faults(tmp_path, "directories: {desk: {connector: acme-paper, was: 日本, evry: 5m}}\n")
    [line, caret] = next(one.excerpt for one in found if one.path.endswith("evry")).splitlines()
    assert caret.index("^") == line.index("evry") + 2, "each of the two characters is two cells wide"


def test_the_line_after_a_hidden_block_keeps_its_indentation(tmp_path: Path) -> None:
    secrets = "    options:\n      passwords:\n        - one\n"
    found = faults(tmp_path, f"directories:\n  desk:\n    connector: acme-paper\n{secrets}    evry: 5m\n")
    assert next(one.excerpt for one in found if one.path.endswith("evry")) == "        evry: …\n        ^"


def test_a_missing_file_says_how_to_write_one(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="there is no such file") as caught:
        load(tmp_path / "none.yaml")
    assert "usersyncd init" in str(caught.value)
    assert caught.value.exit_code == 2


def test_a_folder_instead_of_a_file_cannot_be_read(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="cannot be read: Is a directory"):
        load(tmp_path)


def test_a_pipe_or_a_device_is_refused_without_opening_it(tmp_path: Path) -> None:
    """Opening a named pipe would block until another program writes to it."""
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(ConfigError, match=r"pipe cannot be read: it is a named pipe, not a file\n  → name a file"):
        load(tmp_path / "pipe")
    with pytest.raises(ConfigError, match="/dev/zero cannot be read: it is a device, not a file"):
        load("/dev/zero")
    found = fault(tmp_path, DESK + "lookups: {sites: {file: pipe, key: code, value: city}}\n")
    assert place(found) == (4, 25, "lookups.sites.file")
    assert "pipe cannot be read: it is a named pipe, not a file" in found.message


@pytest.mark.parametrize(
    ("content", "line", "says"),
    [
        (b"code,town\nB,Berlin\n", 1, "there is no column “city”: use one of code, town"),
        (b"", 1, "there is no column “code”"),
        (b"code,city\nB,Berlin,x\n", 2, "this row has 3 fields, the header has 2"),
        (b"code,city\nB,Berlin\nB,Bonn\n", 3, "“B” stands in the column “code” twice; first on line 2"),
        (b"code,city\n,Berlin\n", 2, "the column “code” is empty"),
    ],
)
def test_a_faulty_lookup_file_is_named_with_its_line(tmp_path: Path, content: bytes, line: int, says: str) -> None:
    (tmp_path / "sites.csv").write_bytes(content)
    found = faults(tmp_path, DESK + "lookups: {sites: {file: sites.csv, key: code, value: city}}\n")[0]
    assert (found.file, found.line) == ("sites.csv", line)
    assert says in found.message


@pytest.mark.parametrize(
    ("content", "says"), [(b"code,city\nB,K\xf6ln\n", "is not UTF-8"), (b'code,city\nB,"x\n', "is not a CSV file")]
)
def test_an_unreadable_lookup_file_is_a_fault_where_it_is_named(tmp_path: Path, content: bytes, says: str) -> None:
    (tmp_path / "sites.csv").write_bytes(content)
    found = fault(tmp_path, DESK + "lookups: {sites: {file: sites.csv, key: code, value: city}}\n")
    assert place(found) == (4, 25, "lookups.sites.file")
    assert says in found.message


def test_a_former_name_must_not_be_the_name_of_a_directory(tmp_path: Path) -> None:
    assert loaded(tmp_path, f"{DESK}    was: counter\n{SHELF}").directories["desk"].was == "counter"
    found = faults(
        tmp_path,
        """\
        directories:
          desk: {connector: acme-paper, was: door}
          door: {connector: acme-paper, was: door}
          gate: {connector: acme-paper, was: fence}
          wall: {connector: acme-paper, was: fence}
        """,
    )
    assert [(place(one), one.message) for one in found] == [
        (
            (2, 38, "directories.desk.was"),
            "is the name of another directory, door: write the former name of desk; if names were exchanged, rename "
            "door first, run `usersyncd sync`, and then rename desk",
        ),
        ((3, 38, "directories.door.was"), "is its own name: write the former name of door"),
        ((5, 38, "directories.wall.was"), "“fence” is already the former name of gate"),
    ]


TWO = """\
directories:
  desk: {connector: acme-paper}
  door: {connector: acme-paper}
  gate: {connector: acme-paper}
targets:
  shelf: {connector: acme-shelf, options: {height: 3}, directories: [desk, gate]}
"""


SQL = """\
directories: {desk: {connector: csv, options: {users: u.csv}}, gate: {connector: csv, options: {users: u.csv}}}
targets:
  one: {connector: sql, directories: [desk], options: {url: "sqlite:///a.db", tables: {users: people}}}
  two: {connector: sql, directories: [gate], options: {url: "sqlite:///a.db", tables: {%s}}}
"""


@pytest.mark.parametrize(
    ("tables", "what"),
    [
        ("users: people, groups: team", "users as one, but not the same groups"),
        ("users: people, groups: team, memberships: mem", "users as one, but not the same groups and memberships"),
        ("users: people", None),
        ("users: staff", None),
        ("groups: people", None),
    ],
)
def test_targets_share_all_tables_or_none(tmp_path: Path, tables: str, what: str | None) -> None:
    if what is None:
        assert len(loaded(tmp_path, SQL % tables).targets) == 2
        return
    found = fault(tmp_path, SQL % tables)
    assert (place(found), found.message) == (
        (4, 3, "targets.two"),
        f"has the same {what}: both would link the same accounts; name the same tables in both targets, or different "
        "tables in each",
    )


def test_targets_with_the_same_options_share_no_directory(tmp_path: Path) -> None:
    assert (
        len(
            loaded(
                tmp_path, TWO + "  rack: {connector: acme-shelf, options: {height: 3}, directories: [door]}\n"
            ).targets
        )
        == 2
    )
    assert len(loaded(tmp_path, TWO + "  rack: {connector: acme-shelf, options: {height: 4}}\n").targets) == 2
    found = fault(tmp_path, TWO + "  rack: {connector: acme-shelf, options: {height: 3}}\n")
    assert (place(found), found.message) == (
        (7, 3, "targets.rack"),
        "is the same target as shelf (connector and options), and both list desk, gate: give each directory to one of "
        "them, under `directories`",
    )


def test_an_option_of_a_webhook_beside_those_of_the_stream_has_a_hint(tmp_path: Path) -> None:
    stream = "targets:\n  app:\n    connector: events\n    options: {session_revoked: true}\n"
    assert fault(tmp_path, DESK + stream).message == "unknown key: it belongs under webhooks.NAME"
    webhook = stream.replace("{session_revoked: true}", "{webhooks: {crm: {url: 'https://a.example', issuer: x}}}")
    assert "unknown key: it belongs under options" in [one.message for one in faults(tmp_path, DESK + webhook)]
