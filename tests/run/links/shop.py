"""The targets of the state machine as their application sees them. The application writes into them too.

The application gives every object a *mark* once: a password. The mark identifies the object, even after its key, its
attributes and its row have changed.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping
from copy import deepcopy
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Protocol

from tests.run.world import rules
from usersyncd.core.model import Ruleset
from usersyncd.plugin import Kind, Value
from usersyncd.registry import target
from usersyncd.testing import MemoryObject, MemoryStore, MemoryTarget, MemoryTargetOptions

PROTECTED_ROLE = "superadmin"
"""An object with this role is protected, by a condition over a column that no rule sets."""


@dataclass(frozen=True)
class Row:
    """An object: its mark, the id of its record (or None), its unique key, a text, whether it is active (always, for a
    team), and the role that the application gave it."""

    mark: str
    ref: str | None
    key: str
    text: str | None
    active: bool
    role: str | None

    @property
    def protected(self) -> bool:
        return self.role == PROTECTED_ROLE


class Shop(Protocol):
    """A target, and the application that writes into it too."""

    users: Ruleset
    groups: Ruleset
    unique: bool
    """Whether no two users may have the same address."""
    adoptable: bool
    """Whether the address is the key, so that a user's object can be found by it."""
    marks: bool
    """Whether marks are the application's own; otherwise the record's id is the mark."""
    reuses_ids: bool
    """Whether a new object may get the id of a deleted one."""
    numbers: bool
    """Whether a number that the database gives identifies an object, and no column that rules write."""

    @property
    def connector(self) -> Any: ...

    @property
    def options(self) -> Any: ...

    def rows(self, kind: Kind) -> list[Row]:
        """Return all objects. Objects without a mark get one."""
        ...

    def edges(self) -> set[tuple[str, str]]:
        """Return the memberships as pairs of the marks of team and user."""
        ...

    def insert(self, kind: Kind, row: Row) -> None: ...

    def connect(self, team: str, user: str) -> None: ...

    def write(self, kind: Kind, mark: str, column: str, value: str) -> None:
        """``column``: key or role."""
        ...

    def delete(self, kind: Kind, mark: str) -> None: ...

    def give_away(self, kind: Kind, mark: str, row: Row) -> None:
        """Replace an object by another one, which gets its id and its memberships."""
        ...

    def move(self) -> None:
        """Move the target to a copy in another place; the second time back to the first place, as it was left.

        A target that cannot be copied does nothing.
        """
        ...

    def close(self) -> None: ...


ELSEWHERE = "elsewhere"
"""The directory of objects that no configured directory has, in targets that store a directory."""

BY_ADDRESS = rules(None, "email", email="user.email", name="user.displayName", ref="user.id")
BY_NAME = rules(None, "name", name="group.displayName", about="group.description", ref="group.id")


# ---- in memory


@dataclass
class MemoryShop:
    """``ruled``: the rules set the keys, address and name. Otherwise the ids are the keys."""

    ruled: bool
    store: MemoryStore = field(default_factory=MemoryStore)
    marks: bool = True
    given: int = 0
    left: MemoryStore | None = None
    """The place that the target was moved from."""

    def __post_init__(self) -> None:
        self.users, self.groups = (BY_ADDRESS, BY_NAME) if self.ruled else (Ruleset(), Ruleset())
        self.unique = self.adoptable = self.ruled
        self.reuses_ids = self.numbers = False
        self._names = {
            Kind.USER: ("ref", "email", "name") if self.ruled else ("id", "email", "displayName"),
            Kind.GROUP: ("ref", "name", "about") if self.ruled else ("id", "displayName", "description"),
        }

    @property
    def connector(self) -> Any:
        return MemoryTarget

    @property
    def options(self) -> MemoryTargetOptions:
        return MemoryTargetOptions(store=self.store)

    def rows(self, kind: Kind) -> list[Row]:
        return [self._row(kind, held) for held in self.store.objects(kind).values()]

    def _row(self, kind: Kind, held: MemoryObject) -> Row:
        if "mark" not in held.foreign:
            self.given += 1
            held.foreign["mark"] = f"mark {self.given}"
        ref, key, text = (held.attributes.get(name) for name in self._names[kind])
        ref = None if held.directory == ELSEWHERE and not self.ruled else ref
        active = kind is Kind.GROUP or held.attributes.get("active") is not False
        mark, role = held.foreign["mark"], held.foreign.get("role")
        return Row(str(mark), _text(ref), str(key), _text(text), active, _text(role))

    def edges(self) -> set[tuple[str, str]]:
        return {
            (str(self.store.groups[group].foreign["mark"]), str(self.store.objects(kind)[user].foreign["mark"]))
            for group, kind, user in self.store.memberships
        }

    def insert(self, kind: Kind, row: Row) -> None:
        self.store.insert(kind, self._made(kind, row))

    def _made(self, kind: Kind, row: Row) -> MemoryObject:
        ref, key, text = self._names[kind]
        own = row.key if self.ruled else row.mark
        attributes: dict[str, Value] = {ref: row.ref if self.ruled else own, key: row.key, text: row.text}
        if kind is Kind.USER:
            attributes["active"] = row.active
        return MemoryObject(ELSEWHERE, own, attributes, {"mark": row.mark, "role": row.role})

    def connect(self, team: str, user: str) -> None:
        self.store.memberships.add((self._id(Kind.GROUP, team), Kind.USER, self._id(Kind.USER, user)))

    def write(self, kind: Kind, mark: str, column: str, value: str) -> None:
        target_id = self._id(kind, mark)
        objects = self.store.objects(kind)
        held = objects[target_id]
        if column == "key":
            name = self._names[kind][1]
            key = value if self.ruled else held.key
            objects[target_id] = replace(held, key=key, attributes=held.attributes | {name: value})
        else:
            objects[target_id] = replace(held, foreign=held.foreign | {column: value})

    def delete(self, kind: Kind, mark: str) -> None:
        self.store.delete(kind, self._id(kind, mark))

    def give_away(self, kind: Kind, mark: str, row: Row) -> None:
        self.store.objects(kind)[self._id(kind, mark)] = self._made(kind, row)

    def move(self) -> None:
        if self.left is None:
            users, groups = deepcopy(self.store.users), deepcopy(self.store.groups)
            copied = MemoryStore("copy", users, groups, set(self.store.memberships), serial=self.store.serial)
        else:
            copied = self.left
        self.left, self.store = self.store, copied

    def close(self) -> None:
        """Nothing is open."""

    def _id(self, kind: Kind, mark: str) -> str:
        return next(
            target_id for target_id, held in self.store.objects(kind).items() if held.foreign.get("mark") == mark
        )


def _text(value: Value) -> str | None:
    return None if value is None else str(value)


# ---- in a database


@dataclass(frozen=True)
class Tables:
    """The tables of an application.

    ``statements`` create them. ``columns``: those for mark, record id, key, text and role. ``edges``: the query for the
    marks of all memberships.
    """

    statements: tuple[str, ...]
    names: Mapping[Kind, str]
    columns: Mapping[Kind, tuple[str, str, str, str, str]]
    edges: str
    connect: str
    disconnect: Mapping[Kind, str]
    options: Mapping[str, Any]
    users: Ruleset = BY_ADDRESS
    adoptable: bool = True
    marks: bool = True
    numbers: bool = False
    renamed: Mapping[Kind, str] = field(default_factory=dict)
    """What else the application writes when it changes a key."""


_GROUPS = "CREATE TABLE grp (id {serial}, name text UNIQUE NOT NULL, about text, ref text, password text, role text)"
_NAMES = {Kind.USER: "people", Kind.GROUP: "grp"}
_COLUMNS = {
    Kind.USER: ("password", "ref", "email", "name", "role"),
    Kind.GROUP: ("password", "ref", "name", "about", "role"),
}
_BY_ID = "SELECT g.password, p.password FROM mem m JOIN grp g ON g.id = m.group_id JOIN people p ON p.{} = m.user_id"
_CONNECT = (
    "INSERT INTO mem (group_id, user_id) SELECT g.id, p.{} FROM grp g, people p WHERE g.password = ? AND p.password = ?"
)
_DISCONNECT = {
    Kind.USER: "DELETE FROM mem WHERE user_id IN (SELECT {} FROM people WHERE password = ?)",
    Kind.GROUP: "DELETE FROM mem WHERE group_id IN (SELECT id FROM grp WHERE password = ?)",
}


def _disconnect(column: str) -> dict[Kind, str]:
    return {kind: statement.format(column) for kind, statement in _DISCONNECT.items()}


_OPTIONS = {"tables": {"users": "people", "groups": "grp", "memberships": "mem"}}

SERIAL = Tables(
    (
        "CREATE TABLE people (id {serial}, email text UNIQUE NOT NULL, name text, ref text, active boolean, "
        "password text, role text)",
        _GROUPS,
        "CREATE TABLE mem (user_id integer NOT NULL REFERENCES people (id), group_id integer NOT NULL "
        "REFERENCES grp (id), PRIMARY KEY (user_id, group_id))",
    ),
    _NAMES, _COLUMNS, _BY_ID.format("id"), _CONNECT.format("id"), _disconnect("id"), _OPTIONS, numbers=True,
)  # fmt: skip
NATURAL = Tables(
    (
        "CREATE TABLE people (external_id text PRIMARY KEY, email text UNIQUE, name text, active boolean, "
        "password text, role text)",
        _GROUPS,
        "CREATE TABLE mem (user_id text NOT NULL REFERENCES people (external_id), group_id integer NOT NULL "
        "REFERENCES grp (id), PRIMARY KEY (user_id, group_id))",
    ),
    _NAMES,
    {**_COLUMNS, Kind.USER: ("password", "external_id", "email", "name", "role")},
    _BY_ID.format("external_id"), _CONNECT.format("external_id"), _disconnect("external_id"), _OPTIONS,
    users=rules(None, "external_id", external_id="user.id", email="user.email", name="user.displayName"),
    adoptable=False,
)  # fmt: skip
COMPOSITE = Tables(
    (
        "CREATE TABLE people (org text, ref text, email text UNIQUE NOT NULL, name text, active boolean, "
        "password text, role text, PRIMARY KEY (org, ref))",
        _GROUPS,
        "CREATE TABLE mem (member text NOT NULL, team text NOT NULL, PRIMARY KEY (member, team))",
    ),
    _NAMES, _COLUMNS,
    "SELECT g.password, p.password FROM mem m JOIN grp g ON g.name = m.team JOIN people p ON p.email = m.member",
    "INSERT INTO mem (team, member) SELECT g.name, p.email FROM grp g, people p "
    "WHERE g.password = ? AND p.password = ?",
    {
        Kind.USER: "DELETE FROM mem WHERE member IN (SELECT email FROM people WHERE password = ?)",
        Kind.GROUP: "DELETE FROM mem WHERE team IN (SELECT name FROM grp WHERE password = ?)",
    },
    {**_OPTIONS, "memberships": {"user": "member", "group": "team"}},
    users=rules(None, "email", email="user.email", name="user.displayName", ref="user.id", org='"acme"'),
    renamed={
        Kind.USER: "UPDATE mem SET member = ? WHERE member IN (SELECT email FROM people WHERE password = ?)",
        Kind.GROUP: "UPDATE mem SET team = ? WHERE team IN (SELECT name FROM grp WHERE password = ?)",
    },
)  # fmt: skip
OWN = Tables(
    (),
    {Kind.USER: "users", Kind.GROUP: "groups"},
    {
        Kind.USER: ("record_id", "ref", "email", "name", "role"),
        Kind.GROUP: ("record_id", "ref", "name", "about", "role"),
    },
    "SELECT group_id, member_id FROM group_members",
    "INSERT INTO group_members (directory, group_id, member_id) VALUES ('elsewhere', ?, ?)",
    {
        Kind.USER: "DELETE FROM group_members WHERE member_id = ?",
        Kind.GROUP: "DELETE FROM group_members WHERE group_id = ?",
    },
    {"create_tables": True},
    marks=False,
)  # fmt: skip
"""The product's own tables. The application adds a column for the role when they exist."""

TABLES = {"own": OWN, "serial": SERIAL, "natural": NATURAL, "composite": COMPOSITE}


class SqlShop:
    """Tables in SQLite or PostgreSQL."""

    unique = True
    groups = BY_NAME

    def __init__(self, tables: Tables, url: str, connection: Any, serial: str) -> None:
        self._tables, self._url, self._connection, self._given = tables, url, connection, 0
        self._postgresql = not isinstance(connection, sqlite3.Connection)
        self.reuses_ids = not self._postgresql
        self.users, self.adoptable, self.marks = tables.users, tables.adoptable, tables.marks
        self.numbers = tables.numbers
        for name in ("mem", "people", "grp", "group_members", "users", "groups"):
            self._sql(f'DROP TABLE IF EXISTS "{name}"')
        for statement in tables.statements:
            self._sql(statement.replace("{serial}", serial))

    @property
    def connector(self) -> Any:
        return target("sql")

    @property
    def options(self) -> Any:
        return self.connector.Options.model_validate({"url": self._url, **self._tables.options})

    def rows(self, kind: Kind) -> list[Row]:
        mark, ref, key, text, role = self._tables.columns[kind]
        table = self._tables.names[kind]
        if self._tables.marks:
            self._stamp(table, mark, key)
        elif not self._prepared(table):
            return []
        active = "COALESCE(active, true)" if kind is Kind.USER and "active" in self._columns(table) else "true"
        rows = self._sql(f'SELECT {mark}, {ref}, {key}, {text}, {active}, {role} FROM "{table}"')
        return [
            Row(mark, None if str(ref).startswith("mark") else ref, key, text, bool(active), role)
            for mark, ref, key, text, active, role in rows
        ]

    def _stamp(self, table: str, mark: str, key: str) -> None:
        for (held,) in self._sql(f'SELECT {key} FROM "{table}" WHERE {mark} IS NULL'):
            self._given += 1
            self._sql(f'UPDATE "{table}" SET {mark} = ? WHERE {key} = ?', f"mark {self._given}", held)

    def _prepared(self, table: str) -> bool:
        """Return whether the product created this table, and add the column for the role."""
        columns = self._columns(table)
        if columns and "role" not in columns:
            self._sql(f'ALTER TABLE "{table}" ADD COLUMN role text')
        return bool(columns)

    def _columns(self, table: str) -> set[str]:
        if self._postgresql:
            rows = self._sql("SELECT column_name FROM information_schema.columns WHERE table_name = ?", table)
        else:
            rows = self._sql("SELECT name FROM pragma_table_info(?)", table)
        return {name for (name,) in rows}

    def edges(self) -> set[tuple[str, str]]:
        if not self._tables.marks and not self._prepared("users"):
            return set()
        return {(group, user) for group, user in self._sql(self._tables.edges)}

    def insert(self, kind: Kind, row: Row) -> None:
        mark, ref, key, text, role = self._tables.columns[kind]
        values: dict[str, Any] = {mark: row.mark, key: row.key, text: row.text, role: row.role}
        if ref == "external_id":
            values[ref] = row.mark
        if kind is Kind.USER and "active" in self._columns("people" if self._tables.marks else "users"):
            values["active"] = row.active
        if "org" in (self._tables.users.set or {}) and kind is Kind.USER:
            values |= {"org": "elsewhere", ref: row.mark}
        if not self._tables.marks:
            values["directory"] = "elsewhere"
        names = ", ".join(values)
        places = ", ".join("?" * len(values))
        self._sql(f'INSERT INTO "{self._tables.names[kind]}" ({names}) VALUES ({places})', *values.values())

    def connect(self, team: str, user: str) -> None:
        self._sql(self._tables.connect, team, user)

    def write(self, kind: Kind, mark: str, column: str, value: str) -> None:
        if column == "key" and kind in self._tables.renamed:
            self._sql(self._tables.renamed[kind], value, mark)
        name = self._tables.columns[kind][2 if column == "key" else 4]
        where = self._tables.columns[kind][0]
        self._sql(f'UPDATE "{self._tables.names[kind]}" SET {name} = ? WHERE {where} = ?', value, mark)

    def delete(self, kind: Kind, mark: str) -> None:
        self._sql(self._tables.disconnect[kind], mark)
        self._sql(f'DELETE FROM "{self._tables.names[kind]}" WHERE {self._tables.columns[kind][0]} = ?', mark)

    def give_away(self, kind: Kind, mark: str, row: Row) -> None:
        names = dict(zip(("mark", "ref", "key", "text", "role"), self._tables.columns[kind], strict=True))
        columns = ", ".join(f"{column} = ?" for column in names.values())
        values = [row.mark, row.ref, row.key, row.text, row.role]
        self._sql(f'UPDATE "{self._tables.names[kind]}" SET {columns} WHERE {names["mark"]} = ?', *values, mark)

    def move(self) -> None:
        """Databases are not copied in these tests."""

    def close(self) -> None:
        self._connection.close()

    def _sql(self, statement: str, *values: Any) -> list[tuple[Any, ...]]:
        text = statement.replace("?", "%s") if self._postgresql else statement
        cursor = self._connection.execute(text, values)
        return cursor.fetchall() if cursor.description else []


def sqlite_shop(tables: Tables, folder: Path) -> SqlShop:
    """Return a shop in a new SQLite file."""
    file = folder / "target.db"
    connection = sqlite3.connect(file, isolation_level=None)
    return SqlShop(tables, f"sqlite:///{file}", connection, "INTEGER PRIMARY KEY")


def postgresql_shop(tables: Tables, url: str) -> SqlShop:
    """Return a shop in a PostgreSQL database. Its tables are dropped and created again."""
    import psycopg

    return SqlShop(tables, url, psycopg.connect(url, autocommit=True), "serial PRIMARY KEY")
