"""Who there is, as a plain dictionary, and what happens to them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from usersyncd.plugin import Kind
from usersyncd.testing import MemoryDirectory

DIRECTORIES = ("acme", "beta")
PEOPLE = ("a1", "a2", "a3", "a4", "b1", "b2")
TEAMS = ("ag1", "ag2", "bg1")
ADDRESSES = tuple(f"{name}@x" for name in ("ann", "bob", "cyd", "dee", "eve"))
NAMES = ("admins", "staff", "ops")


def directory_of(id_: str) -> str:
    """Acme's ids begin with an a, Beta's with a b."""
    return next(directory for directory in DIRECTORIES if directory[0] == id_[0])


@dataclass(frozen=True)
class Record:
    """A person or a team: what has to be unique (an address, a name), and a text."""

    key: str
    text: str


@dataclass
class Life:
    """``records`` by kind and id, and the people in each team."""

    records: Mapping[Kind, dict[str, Record]] = field(default_factory=lambda: {kind: {} for kind in Kind})
    members: dict[str, set[str]] = field(default_factory=dict)
    texts: int = 0
    """How many texts were given that nobody had before."""

    def tell(self, name: str, directory: MemoryDirectory) -> None:
        """Bring a directory up to date."""

        def own(kind: Kind) -> Iterator[tuple[str, Record]]:
            return ((id_, record) for id_, record in self.records[kind].items() if directory_of(id_) == name)

        directory.users = {id_: {"email": user.key, "displayName": user.text} for id_, user in own(Kind.USER)}
        directory.groups = {id_: {"displayName": team.key, "description": team.text} for id_, team in own(Kind.GROUP)}
        people = directory.users.keys()
        directory.members = {team: self.members.get(team, set()) & people for team in directory.groups}

    def fresh(self) -> str:
        self.texts += 1
        return f"text {self.texts}"

    def heal(self, kind: Kind, id_: str) -> None:
        """Something changes about a record, its key too: so all of it is delivered again."""
        if id_ in self.records[kind]:
            text = self.fresh()
            self.records[kind][id_] = Record(f"{text}@x", text)


# ---- what happens to people and teams: functions of a life, and what they are called with


def comes(life: Life, kind: Kind, id_: str, key: str) -> None:
    """Or comes back, or gets another key."""
    known = life.records[kind].get(id_)
    life.records[kind][id_] = Record(key, known.text if known else f"first called {key}")


def leaves(life: Life, kind: Kind, id_: str) -> None:
    life.records[kind].pop(id_, None)
    life.members.pop(id_, None)
    for members in life.members.values():
        members.discard(id_)


def comes_back_as(life: Life, kind: Kind, id_: str, other: str) -> None:
    """At once, under a new id and with the same key; the teams are the same."""
    if id_ not in life.records[kind] or other in life.records[kind]:
        return
    record, teams = life.records[kind][id_], [team for team, members in life.members.items() if id_ in members]
    members = life.members.get(id_)
    leaves(life, kind, id_)
    life.records[kind][other] = record
    if members is not None:
        life.members[other] = members
    for team in teams:
        membership(life, team, other, stays=True)


def swap(life: Life, kind: Kind, one: str, other: str) -> None:
    records = life.records[kind]
    if one in records and other in records:
        keys = records[one].key, records[other].key
        records[one], records[other] = replace(records[one], key=keys[1]), replace(records[other], key=keys[0])


def rotate(life: Life, kind: Kind, last: str | None) -> None:
    """Everybody gets the next one's key; the last one ``last``, or (a ring) the first one's."""
    records = life.records[kind]
    keys = [record.key for record in records.values()]
    moved = [*keys[1:], last or keys[0]] if keys else []
    for (id_, record), key in zip(list(records.items()), moved, strict=True):
        records[id_] = replace(record, key=key)


def hands_over(life: Life, kind: Kind, id_: str, newcomer: str, key: str) -> None:
    """A newcomer gets the key that somebody had until now."""
    records = life.records[kind]
    if id_ in records and newcomer not in records:
        comes(life, kind, newcomer, records[id_].key)
        comes(life, kind, id_, key)


def is_renamed(life: Life, kind: Kind, id_: str) -> None:
    if id_ in life.records[kind]:
        life.records[kind][id_] = replace(life.records[kind][id_], text=life.fresh())


def membership(life: Life, team: str, person: str, stays: bool) -> None:
    """Both are of the same directory, or nothing comes of it."""
    there = person in life.records[Kind.USER] and team in life.records[Kind.GROUP]
    if there and directory_of(person) == directory_of(team):
        members = life.members.setdefault(team, set())
        members.add(person) if stays else members.discard(person)


Edit = tuple[Any, ...]
