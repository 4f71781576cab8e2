"""A company whose keys move, two folders that are synced with it, and a sync that is killed at a system call."""

from __future__ import annotations

import csv
import os
import random
import signal
import sqlite3
import subprocess
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from itertools import count
from pathlib import Path
from typing import Any, NamedTuple

from msgspec import Struct

from tests.servers.process import program
from tests.system.forks import FORKS, usersyncd

CALLS = "write,pwrite64,fsync,fdatasync,ftruncate,unlink"
"""The system calls with which SQLite changes files: the process may be killed at any of them."""
CONFIG = """\
state: sqlite:///state.db
directories:
  acme:
    connector: csv
    options: {users: users.csv, groups: groups.csv, members: members.csv}
targets:
  app:
    connector: sql
    options:
      url: sqlite:///app.db
      tables: {users: app_user, groups: app_group, memberships: app_user_group}
    guard: {at_least: 1000}
    users: &users
      key: email
      set: {email: user.email, name: user.displayName, active: user.active}
    groups: &groups
      key: name
      set: {name: group.displayName}
  own:
    connector: sql
    options: {url: "sqlite:///own.db", create_tables: true}
    memberships: direct
    guard: {at_least: 1000}
    users: *users
    groups: *groups
"""
APP = """
CREATE TABLE app_user (id INTEGER PRIMARY KEY, email TEXT NOT NULL UNIQUE, name TEXT, active BOOLEAN NOT NULL,
  password TEXT);
CREATE TABLE app_group (id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE);
CREATE TABLE app_user_group (user_id INTEGER NOT NULL REFERENCES app_user, group_id INTEGER NOT NULL
  REFERENCES app_group, PRIMARY KEY (user_id, group_id));
"""
PEOPLE = 40
ENOUGH = 32
"""With fewer people than this, nobody leaves."""
GROUPS = 8
"""The groups form two trees: even numbers below the first group, odd numbers below the second."""


# --------------------------------------------------------------------------------------------------------- the company


class Person(Struct):
    """A person in the directory, with the password that the application gave to the account."""

    id: str
    email: str
    name: str
    active: bool = True
    groups: set[str] = set()
    password: str | None = None


class Group(Struct):
    id: str
    name: str
    parent: str | None = None


class Contents(NamedTuple):
    """What a target holds. People: email, name, active, password. Members: a group's name, and an email or name."""

    people: set[tuple[Any, ...]]
    groups: set[str]
    members: set[tuple[str, str]]


class Company:
    """The directory, and what has to be in the targets: those who left are kept there, inactive, under the last key."""

    def __init__(self, chance: random.Random) -> None:
        self._chance = chance
        self._numbers = count(1)
        self.people: dict[str, Person] = {}
        self.left: dict[str, Person] = {}
        self.groups: dict[str, Group] = {}
        self.consent = False
        """Whether somebody came back under another id: their old account is theirs once a person agrees."""
        self._touched: set[str] = set()
        """By this edit;"""
        self._fresh: set[str] = set()
        """since the round began;"""
        self._successors: set[str] = set()
        """in another's account since the round began: who they are is seen by the address, which does not move yet."""
        for number in range(GROUPS):
            parent = f"g{number % 2}" if number > 1 else None
            self.groups[f"g{number}"] = Group(f"g{number}", f"Group {number}", parent)
        for _ in range(PEOPLE):
            self._join(self._address())

    def round(self) -> None:
        """Start a new round: every person may be changed again."""
        self.consent = False
        self._fresh.clear()
        self._successors.clear()
        self.edit()

    def edit(self) -> None:
        """Some changes at once. Who came, left or moved since the round began does not leave: read together with that,
        another's coming would look as if an id had changed."""
        self._touched.clear()
        for work in self._chance.sample(self._edits, self._chance.randint(2, 5)):
            work(self)

    def passwords(self) -> None:
        """Give each new account a password, as the application does."""
        for person in self.people.values():
            person.password = person.password or f"of {person.email}"

    def contents(self, *, nested: bool) -> Contents:
        """Return what a target must hold. ``nested``: groups are members too."""
        here = {(one.email, one.name, one.active, one.password) for one in self.people.values()}
        kept = {(one.email, one.name, False, one.password) for one in self.left.values()}
        return Contents(here | kept, {group.name for group in self.groups.values()}, set(self._members(nested)))

    def records(self) -> set[tuple[str, str]]:
        """Return email and id of every person that a target must hold."""
        return {(one.email, one.id) for one in (*self.people.values(), *self.left.values())}

    def write(self, folder: Path) -> None:
        people = self.people.values()
        _table(folder / "users.csv", "id,displayName,email,active", (
            (one.id, one.name, one.email, str(one.active).lower()) for one in people
        ))  # fmt: skip
        _table(folder / "groups.csv", "id,displayName", ((one.id, one.name) for one in self.groups.values()))
        edges = [(group, one.id, "user") for one in people for group in sorted(one.groups)]
        edges += [(one.parent, one.id, "group") for one in self.groups.values() if one.parent is not None]
        _table(folder / "members.csv", "group_id,member_id,member_kind", edges)

    def _members(self, nested: bool) -> Iterator[tuple[str, str]]:
        for group in self.groups.values():
            if nested and group.parent is not None:
                yield self.groups[group.parent].name, group.name
        for person in self.people.values():
            for id_ in person.groups:
                group = self.groups[id_]
                yield group.name, person.email
                while not nested and group.parent is not None:
                    group = self.groups[group.parent]
                    yield group.name, person.email

    # ---- edits

    def _address(self) -> str:
        return f"p{next(self._numbers)}@acme.example"

    def _join(self, email: str) -> Person:
        id_ = f"u{next(self._numbers)}"
        person = Person(id_, email, f"Name of {id_}", groups=self._some_groups())
        self.people[id_] = person
        self._fresh.add(id_)
        self._touched.add(id_)
        return person

    def _some_groups(self) -> set[str]:
        return set(self._chance.sample(sorted(self.groups), self._chance.randint(0, 3)))

    def _some(self, number: int, *, settled: bool = False) -> list[Person]:
        """Return people that this edit has not changed; ``settled``: and no other edit of this round."""
        out = self._touched | (self._fresh if settled else self._successors)
        found = self._chance.sample([one for one in self.people.values() if one.id not in out], number)
        self._touched.update(one.id for one in found)
        return found

    def _rename(self) -> None:
        for person in self._some(2):
            person.email = self._address()
            self._fresh.add(person.id)

    def _cycle(self) -> None:
        """Two, three or four people exchange their addresses."""
        some = self._some(self._chance.randint(2, 4))
        emails = [person.email for person in some]
        for person, email in zip(some, emails[1:] + emails[:1], strict=True):
            person.email = email
            self._fresh.add(person.id)

    def _chain(self) -> None:
        """Each person gets the address of the next one. A new person may get the free last one."""
        some = self._some(self._chance.randint(1, 5))
        free = self._address()
        for person in some:
            person.email, free = free, person.email
            self._fresh.add(person.id)
        if self._chance.random() < 0.6:
            self._join(free)

    def _leave(self) -> None:
        number = self._chance.randint(1, 2) if len(self.people) > ENOUGH else 0
        for person in self._some(number, settled=True):
            self.left[person.id] = self.people.pop(person.id)
            self._fresh.add(person.id)

    def _return(self) -> None:
        """A person who left returns: under the same id, or under another id with the same address."""
        settled = sorted(self.left.keys() - self._touched - self._fresh)
        if not settled:
            return
        person = self.left.pop(self._chance.choice(settled))
        if self._chance.random() < 0.5:
            person.groups = self._some_groups()
            self.people[person.id] = person
            self._touched.add(person.id)
            self._fresh.add(person.id)
        else:
            self.consent = True
            self._succeed(person)

    def _succeed(self, person: Person) -> Person:
        """Give a person another id, with the same account."""
        successor = self._join(person.email)
        successor.password = person.password
        self._successors.add(successor.id)
        return successor

    def _other_id(self) -> None:
        """Give a person another id, as a directory that was set up again does."""
        for person in self._some(1, settled=True):
            if not person.active:  # Whose account is inactive needs consent.
                continue
            del self.people[person.id]
            self._succeed(person).groups = person.groups

    def _move(self) -> None:
        for person in self._some(3):
            person.groups = self._some_groups()

    def _describe(self) -> None:
        for person in self._some(2):
            person.name = f"Name {next(self._numbers)}"
            person.active = not person.active
            self._fresh.add(person.id)

    def _groups(self) -> None:
        """Groups exchange their names, get new names, or move to another parent."""
        one, other = self._chance.sample(sorted(self.groups.values(), key=lambda group: group.id), 2)
        one.name, other.name = other.name, one.name
        if self._chance.random() < 0.3:
            one.name = f"Group {next(self._numbers)}"
        if other.parent is not None:
            other.parent = self._chance.choice(["g0", "g1"])

    _edits: Sequence[Callable[[Company], None]] = (
        _rename, _cycle, _chain, _chain, _leave, _return, _other_id, _move, _describe, _groups,
    )  # fmt: skip


def _table(file: Path, header: str, rows: Any) -> None:
    with file.open("w", newline="") as opened:
        writer = csv.writer(opened)
        writer.writerow(header.split(","))
        writer.writerows(rows)


# ---------------------------------------------------------------------------------------------------------- the folder


class Folder:
    """A configuration with its state and its two targets."""

    def __init__(self, path: Path) -> None:
        path.mkdir()
        self.path = path
        (path / "config.yaml").write_text(CONFIG)
        with closing(sqlite3.connect(path / "app.db")) as connection:
            connection.executescript(APP)

    def sync(self, *, consent: bool) -> list[int]:
        """Run to the end: for each system call that could have been the last, its number within its thread."""
        log = self.path / "calls.log"
        assert self._run(consent, "-o", str(log)) == 0, self._said()
        numbers: dict[str, count[int]] = {}
        with log.open(errors="replace") as lines:
            threads = [line.split(maxsplit=1)[0] for line in lines if "resumed>" not in line]
        return [next(numbers.setdefault(thread, count(1))) for thread in threads]

    def killed(self, number: int, *, consent: bool) -> bool:
        """Run until a thread has come to its system call of this number: whether one did."""
        code = self._run(consent, "-o", os.devnull, "-e", f"inject={CALLS}:signal=KILL:when={number}")
        assert code in (0, -signal.SIGKILL), self._said()
        return code != 0

    def passwords(self) -> None:
        """Give each new account a password, as the application does."""
        for file, table in (("app.db", "app_user"), ("own.db", "users")):
            with closing(sqlite3.connect(self.path / file)) as connection, connection:
                if not _rows(connection, f"SELECT 1 FROM pragma_table_info('{table}') WHERE name = 'password'"):
                    connection.execute(f"ALTER TABLE {table} ADD COLUMN password TEXT")
                connection.execute(f"UPDATE {table} SET password = 'of ' || email WHERE password IS NULL")

    def app(self) -> Contents:
        """Return what the application's tables hold."""
        with closing(sqlite3.connect(self.path / "app.db")) as connection:
            assert _rows(connection, "PRAGMA foreign_key_check") == []
            return Contents(
                _people(connection, "app_user"),
                {name for (name,) in _rows(connection, "SELECT name FROM app_group")},
                set(
                    _rows(
                        connection,
                        "SELECT g.name, u.email FROM app_user_group JOIN app_group g ON g.id = group_id "
                        "JOIN app_user u ON u.id = user_id",
                    )
                ),
            )

    def own(self) -> Contents:
        """What the product's own tables hold. A membership that refers to nobody is named by its ids."""
        with closing(sqlite3.connect(self.path / "own.db")) as connection:
            return Contents(
                _people(connection, "users"),
                {name for (name,) in _rows(connection, "SELECT name FROM groups")},
                set(
                    _rows(
                        connection,
                        "SELECT coalesce(g.name, m.group_id), coalesce(u.email, n.name, m.member_id) "
                        "FROM group_members m LEFT JOIN groups g ON g.record_id = m.group_id "
                        "LEFT JOIN users u ON u.record_id = m.member_id "
                        "LEFT JOIN groups n ON n.record_id = m.member_id",
                    )
                ),
            )

    def record_ids(self) -> set[tuple[str, str]]:
        """Return email and record id of each row."""
        with closing(sqlite3.connect(self.path / "own.db")) as connection:
            return set(_rows(connection, "SELECT email, record_id FROM users"))

    def _run(self, consent: bool, *tracing: str) -> int:
        """``usersyncd sync`` under strace: its exit code, or less than 0, the signal that ended it."""
        command = ["usersyncd", "-c", str(self.path / "config.yaml"), "sync", *(["--adopt"] if consent else [])]
        said = self.path / "said.log"
        said.unlink(missing_ok=True)
        process = FORKS.Process(target=usersyncd, args=(command, said, dict(os.environ)), kwargs={"stop": True})
        process.start()
        status = Path(f"/proc/{process.pid}/status")
        _wait(lambda: "State:\tT" in status.read_text())
        strace = [program("strace", "strace"), "-f", "-qq", "-e", f"trace={CALLS}", *tracing, "-p", str(process.pid)]
        with subprocess.Popen(strace, stderr=subprocess.DEVNULL):
            _wait(lambda: "TracerPid:\t0\n" not in status.read_text())
            os.kill(process.pid or 0, signal.SIGCONT)
            process.join()
        assert process.exitcode is not None
        return process.exitcode

    def _said(self) -> str:
        return (self.path / "said.log").read_text()


def _wait(happened: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 60
    while not happened():
        assert time.monotonic() < deadline
        time.sleep(0.005)


def _people(connection: sqlite3.Connection, table: str) -> set[tuple[Any, ...]]:
    rows = _rows(connection, f"SELECT email, name, active, password FROM {table}")
    return {(email, name, bool(active), password) for email, name, active, password in rows}


def _rows(connection: sqlite3.Connection, sql: str) -> list[tuple[Any, ...]]:
    return connection.execute(sql).fetchall()
