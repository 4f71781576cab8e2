"""Short forms of changes for the tests of the SQL target."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from usersyncd.plugin import CANONICAL, Change, Kind, Layout, Member, Op, Value

DIRECTORY = "hr"

TABLES_OF_AN_APPLICATION = (
    "CREATE TABLE app_user (id SERIAL PRIMARY KEY, external_id TEXT UNIQUE, email TEXT, active BOOLEAN)",
    "CREATE TABLE app_group (id SERIAL PRIMARY KEY, name TEXT UNIQUE)",
    "CREATE TABLE app_user_group (user_id INTEGER REFERENCES app_user, group_id INTEGER REFERENCES app_group)",
)
"""The tables of an application in PostgreSQL, whose ids the database gives."""


def layouts(users: tuple[str, ...], groups: tuple[str, ...] = ("name",)) -> Mapping[Kind, Layout]:
    """Return layouts as ``set`` makes them. The first attribute of each is the key."""
    return {
        Kind.USER: Layout(users, key=users[0], ruled=True),
        Kind.GROUP: Layout(groups, key=groups[0], ruled=True),
    }


def user(op: Op, key: str | int, after: Mapping[str, Value] | None = None, **before: Value) -> Change:
    """Return a change of a user. ``before`` is needed only where the key changes."""
    return Change(op, Kind.USER, DIRECTORY, f"id of {key}", key, dict(before) or None, dict(after) if after else None)


def group(op: Op, key: str | int, after: Mapping[str, Value] | None = None) -> Change:
    return Change(op, Kind.GROUP, DIRECTORY, f"id of {key}", key, None, dict(after) if after else None)


def canonical(kind: Kind, **shape: Value) -> dict[str, Value]:
    """Return a whole shape without rules. Attributes that are not given are None."""
    return {name: shape.get(name) for name in CANONICAL[kind]}


def create(key: str, kind: Kind = Kind.USER, *, directory: str = DIRECTORY, **shape: Value) -> Change:
    """Return a create in own tables without rules."""
    active: dict[str, Any] = {"active": True} if kind is Kind.USER else {}
    return Change(Op.CREATE, kind, directory, key, key, None, canonical(kind, id=key, **{**active, **shape}))


def own_edges(op: Op, group_id: str, *members: str) -> Change:
    """Return an addition or removal of members where ids are keys."""
    named = tuple(Member(Kind.USER, member, member) for member in members)
    return Change(op, Kind.GROUP, DIRECTORY, group_id, group_id, members=named)


def edges(op: Op, group_key: str | int, *members: str | int, nested: tuple[str | int, ...] = ()) -> Change:
    """Add or remove members by their keys; a member's id is ``id of KEY``."""
    named = [Member(Kind.USER, f"id of {key}", key) for key in members]
    named += [Member(Kind.GROUP, f"id of {key}", key) for key in nested]
    return Change(op, Kind.GROUP, DIRECTORY, f"id of {group_key}", group_key, members=tuple(named))
