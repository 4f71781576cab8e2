"""The people and teams of the directories as plain dictionaries, and the edits that happen to them."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from usersyncd.plugin import Kind
from usersyncd.testing import MemoryDirectory

DIRECTORIES = ("acme", "beta")
IDS = {Kind.USER: ("a1", "a2", "a3", "a4", "a5", "b1", "b2"), Kind.GROUP: ("ag1", "ag2", "ag3", "bg1")}
ADDRESSES = tuple(f"{name}@x" for name in ("ann", "bob", "cyd", "dee", "eve", "fay", "gus", "hal"))
NAMES = ("admins", "staff", "ops", "sales", "board")


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
    """How many unique texts were made."""

    def tell(self, name: str, directory: MemoryDirectory) -> None:
        """Write the records of this directory into ``directory``."""

        def own(kind: Kind) -> Iterator[tuple[str, Record]]:
            return ((id_, record) for id_, record in self.records[kind].items() if directory_of(id_) == name)

        directory.users = {id_: {"email": user.key, "displayName": user.text} for id_, user in own(Kind.USER)}
        directory.groups = {id_: {"displayName": team.key, "description": team.text} for id_, team in own(Kind.GROUP)}
        people = directory.users.keys()
        directory.members = {team: self.members.get(team, set()) & people for team in directory.groups}

    def learn(self, name: str, life: Life) -> None:
        """Take over the records of one directory, as a pull of it does."""
        for kind, records in self.records.items():
            others = {id_: record for id_, record in records.items() if directory_of(id_) != name}
            own = {id_: record for id_, record in life.records[kind].items() if directory_of(id_) == name}
            records.clear()
            records.update(others | own)

    def without(self, names: Collection[str]) -> Life:
        """Return a copy without these directories."""
        records = {
            kind: {id_: record for id_, record in some.items() if directory_of(id_) not in names}
            for kind, some in self.records.items()
        }
        members = {team: some for team, some in self.members.items() if directory_of(team) not in names}
        return Life(records, members)

    def present(self, kind: Kind) -> list[str]:
        return [id_ for id_ in IDS[kind] if id_ in self.records[kind]]

    def absent(self, kind: Kind) -> list[str]:
        return [id_ for id_ in IDS[kind] if id_ not in self.records[kind]]

    def join(self, team: str, person: str) -> None:
        """Add a member, if both are of the same directory."""
        there = person in self.records[Kind.USER] and team in self.records[Kind.GROUP]
        if there and directory_of(person) == directory_of(team):
            self.members.setdefault(team, set()).add(person)

    def forget(self, kind: Kind, id_: str) -> None:
        """Delete a record with all its memberships."""
        self.records[kind].pop(id_, None)
        self.members.pop(id_, None)
        for members in self.members.values():
            members.discard(id_)

    def fresh(self) -> str:
        self.texts += 1
        return f"text {self.texts}"

    def heal(self, kind: Kind, id_: str) -> None:
        """Change everything of a record, its key too, so that all of it is delivered again."""
        if id_ in self.records[kind]:
            text = self.fresh()
            self.records[kind][id_] = Record(f"{text}@x", text)


# ---- edits of a life. ``who`` is a position in the list of present records, ``newcomer`` one in the list
# ---- of absent records: which record that is depends on the edits before


def comes(life: Life, kind: Kind, newcomer: int, key: str) -> None:
    """A record appears, or returns."""
    if (id_ := _pick(life.absent(kind), newcomer)) is not None:
        life.records[kind][id_] = Record(key, f"first called {key}")


def moves(life: Life, kind: Kind, who: int, key: str) -> None:
    """A record gets another key."""
    if (id_ := _pick(life.present(kind), who)) is not None:
        life.records[kind][id_] = replace(life.records[kind][id_], key=key)


def leaves(life: Life, kind: Kind, who: int) -> None:
    if (id_ := _pick(life.present(kind), who)) is not None:
        life.forget(kind, id_)


def comes_back_as(life: Life, kind: Kind, who: int, newcomer: int) -> None:
    """A record gets a new id, and keeps its key and its teams."""
    id_, other = _pick(life.present(kind), who), _pick(life.absent(kind), newcomer)
    if id_ is None or other is None:
        return
    record, members = life.records[kind][id_], life.members.get(id_, set())
    teams = [team for team, some in life.members.items() if id_ in some]
    life.forget(kind, id_)
    life.records[kind][other] = record
    for team in teams:
        life.join(team, other)
    for person in members:
        life.join(other, person)


def swap(life: Life, kind: Kind, who: int, partner: int) -> None:
    """Two records exchange their keys."""
    records, one, other = life.records[kind], _pick(life.present(kind), who), _pick(life.present(kind), partner)
    if one is not None and other is not None:
        keys = records[one].key, records[other].key
        records[one], records[other] = replace(records[one], key=keys[1]), replace(records[other], key=keys[0])


def rotate(life: Life, kind: Kind, last: str | None) -> None:
    """Each record gets the key of the next one. The last gets ``last``, or in a ring the first one's."""
    records = life.records[kind]
    keys = [record.key for record in records.values()]
    moved = [*keys[1:], last or keys[0]] if keys else []
    for (id_, record), key in zip(list(records.items()), moved, strict=True):
        records[id_] = replace(record, key=key)


def hands_over(life: Life, kind: Kind, who: int, newcomer: int, key: str) -> None:
    """A new record gets the key of a present one, which gets another."""
    records, one, other = life.records[kind], _pick(life.present(kind), who), _pick(life.absent(kind), newcomer)
    if one is not None and other is not None:
        records[other] = Record(records[one].key, f"after {one}")
        records[one] = replace(records[one], key=key)


def is_renamed(life: Life, kind: Kind, who: int) -> None:
    if (id_ := _pick(life.present(kind), who)) is not None:
        life.records[kind][id_] = replace(life.records[kind][id_], text=life.fresh())


def joins(life: Life, team: int, who: int) -> None:
    group, person = _pick(life.present(Kind.GROUP), team), _pick(life.present(Kind.USER), who)
    if group is not None and person is not None:
        life.join(group, person)


def parts(life: Life, team: int, who: int) -> None:
    group = _pick(life.present(Kind.GROUP), team)
    person = None if group is None else _pick(sorted(life.members.get(group, ())), who)
    if group is not None and person is not None:
        life.members[group].discard(person)


def _pick(some: Sequence[str], place: int) -> str | None:
    return some[place % len(some)] if some else None


Edit = tuple[Any, ...]
