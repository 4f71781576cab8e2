"""The people, teams and changes of the tests."""
# ruff: noqa: A002 - `id` is the word of the contract

from __future__ import annotations

from collections.abc import Mapping, Sequence

import pytest

from usersyncd.plugin import CANONICAL, Change, Kind, Layout, Lookup, Member, Op, Value
from usersyncd.testing.contexts import OWN_LAYOUTS

Shape = dict[str, Value]
Key = str | int

DIRECTORY, OTHER = "directory", "another directory"

RULED_LAYOUTS: Mapping[Kind, Layout] = {
    Kind.USER: Layout(("login", *CANONICAL[Kind.USER][2:]), key="login", ruled=True),
    Kind.GROUP: Layout(("name", "note"), key="name", ruled=True),
}
"""Layouts as with ``set``, with a key that can change: `login` instead of `id` and `userName`."""

ruled = pytest.mark.parametrize("layouts", [RULED_LAYOUTS], ids=["ruled"])

ADA: Shape = {
    "id": "u1",
    "userName": "ada",
    "email": "ada@acme.example",
    "givenName": "Ada",
    "familyName": "O'Łącka",
    "displayName": "Ada O'Łącka",
    "active": True,
    "title": "Engineer",
    "department": "Lab",
    "manager": "u2",
}
BOB: Shape = {"id": "u2", "userName": "bob", "email": "bob@acme.example", "displayName": "Боб 李", "active": True}
EVE: Shape = {"id": "u3", "userName": "eve", "email": "eve@acme.example", "displayName": "Eve", "active": True}
APP: Shape = {"id": "g1", "displayName": "app-users", "description": 'Who may use the app; "all" of them'}
OPS: Shape = {"id": "g2", "displayName": "ops", "email": "ops@acme.example"}


# ---- changes in the own layout


def create(shape: Shape, kind: Kind = Kind.USER) -> Change:
    return Change(Op.CREATE, kind, DIRECTORY, _id(shape), _id(shape), None, _whole(shape, OWN_LAYOUTS[kind]))


def update(before: Shape, after: Shape, *, kind: Kind = Kind.USER, op: Op = Op.UPDATE) -> Change:
    layout = OWN_LAYOUTS[kind]
    return Change(op, kind, DIRECTORY, _id(before), _id(before), _whole(before, layout), _whole(after, layout))


def delete(shape: Shape, kind: Kind = Kind.USER) -> Change:
    return Change(Op.DELETE, kind, DIRECTORY, _id(shape), _id(shape), _whole(shape, OWN_LAYOUTS[kind]), None)


def add(group: Shape, *members: Shape, kind: Kind = Kind.USER) -> Change:
    return _connect(Op.ADD, group, members, kind)


def remove(group: Shape, *members: Shape, kind: Kind = Kind.USER) -> Change:
    return _connect(Op.REMOVE, group, members, kind)


def wanted(shape: Shape) -> Lookup:
    return Lookup(DIRECTORY, _id(shape), _id(shape))


def _connect(op: Op, group: Shape, members: Sequence[Shape], kind: Kind) -> Change:
    named = tuple(Member(kind, _id(member), _id(member)) for member in members)
    return Change(op, Kind.GROUP, DIRECTORY, _id(group), _id(group), members=named)


def _id(shape: Shape) -> str:
    return str(shape["id"])


# ---- changes in the layouts of rules


def person(login: str) -> Shape:
    return {"login": login, "email": f"{login}@acme.example", "active": True}


def team(name: str) -> Shape:
    return {"name": name, "note": f"first called {name}"}


def make(id: str, shape: Shape, kind: Kind = Kind.USER) -> Change:
    layout = RULED_LAYOUTS[kind]
    return Change(Op.CREATE, kind, DIRECTORY, id, _key(shape, layout), None, _whole(shape, layout))


def alter(id: str, before: Shape, after: Shape, kind: Kind = Kind.USER, op: Op = Op.UPDATE) -> Change:
    layout = RULED_LAYOUTS[kind]
    key = _key(before, layout)
    return Change(op, kind, DIRECTORY, id, key, _whole(before, layout), _whole(after, layout))


def rename(id: str, shape: Shape, key: Value, kind: Kind = Kind.USER) -> Change:
    return alter(id, shape, shape | {RULED_LAYOUTS[kind].key: key}, kind)


def join(id: str, key: str, *members: tuple[str, str], op: Op = Op.ADD) -> Change:
    """``members``: id and key of users."""
    return Change(op, Kind.GROUP, DIRECTORY, id, key, members=tuple(Member(Kind.USER, *member) for member in members))


def _key(shape: Shape, layout: Layout) -> Key:
    key = shape[layout.key]
    return key if isinstance(key, int) else str(key)


def _whole(shape: Shape, layout: Layout) -> Shape:
    """With every attribute of the layout, as in shapes of the core: an absent one is None."""
    return {name: shape.get(name) for name in layout.attributes}
