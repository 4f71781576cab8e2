"""What a run would hold after following a directory by its cursors, so that it can be compared with the directory.

The folding of :func:`usersyncd.testing.fold`, and beyond it what the core does with a cursor: Present, the sweep after
a pull that named everything, a complete pull when something was said of records that nobody knows, and memberships that
outlive the member (they are kept as the directory names them).
"""

# ruff: noqa: A001 - `id` is the word of the contract

from __future__ import annotations

from collections.abc import Iterable

from usersyncd.plugin import Done, Gone, Kind, Members, Patch, Present, Record, Source, Unread, Value
from usersyncd.testing import Pull, read

Key = tuple[Kind, str]
Item = Record | Patch | Present | Unread | Members | Gone


class Mirror:
    """``cursor`` is that of the last pull. ``pulls`` counts them: [incremental, complete]. ``doubts`` are pulls that
    named an unknown record as present."""

    def __init__(self) -> None:
        self.cursor: str | None = None
        self.records: dict[Key, dict[str, Value]] = {}
        self.handles: dict[Key, frozenset[str]] = {}
        self.members: dict[str, set[str]] = {}
        self.pulls = [0, 0]
        self.doubts = 0

    async def follow(self, source: Source) -> Pull:
        """Pull once, from the cursor of the last pull."""
        pull = await read(source, self.cursor)
        assert len(pull.ends) == 1
        assert pull.after_end == 0
        done = pull.ends[0]
        doubtful = self._fold(pull.items, done)
        self.cursor = None if doubtful else done.cursor
        self.doubts += doubtful
        self.pulls[was_complete(pull)] += 1
        return pull

    def _fold(self, items: Iterable[Item], done: Done) -> bool:
        before = (dict(self.records), dict(self.handles), {group: set(of) for group, of in self.members.items()})
        if done.complete:
            self.records, self.handles, self.members = {}, {}, {}
        doubtful = False
        for item in items:
            match item:
                case Record(kind, id, attributes, handles):
                    self.records[kind, id], self.handles[kind, id] = attributes, frozenset(handles)
                case Present(kind, id):
                    if (kind, id) not in before[0]:
                        doubtful = doubtful or (kind, id) not in self.records
                    elif done.complete:
                        self.records.setdefault((kind, id), before[0][kind, id])
                        self.handles.setdefault((kind, id), before[1][kind, id])
                        if kind is Kind.GROUP:
                            self.members.setdefault(id, set()).update(before[2].get(id, set()))
                case Members(group, added, removed, whole):
                    held = set() if whole else self.members.get(group, set())
                    self.members[group] = (held | added) - removed
                case Gone(kind, id):
                    self.records.pop((kind, id), None)
                    self.handles.pop((kind, id), None)
                    if kind is Kind.GROUP:
                        self.members.pop(id, None)
                case Patch() | Unread():
                    raise AssertionError("this connector tells whole records, and nothing here is hidden")
        return doubtful

    def memberships(self) -> set[tuple[str, Key]]:
        """The memberships of members who are there."""
        named: dict[str, Key] = {key[1]: key for key in self.records}
        for key, handles in self.handles.items():
            named.update(dict.fromkeys(handles, key))
        return {
            (group, named[member])
            for group, members in self.members.items()
            if (Kind.GROUP, group) in self.records
            for member in members
            if member in named
        }

    def differences(self, other: Mirror) -> list[str]:
        """Entry by entry, what is not the same; empty when nothing is."""
        found = [
            f"{kind} {id}: {self.records.get((kind, id))} {self.handles.get((kind, id))} here, "
            f"{other.records.get((kind, id))} {other.handles.get((kind, id))} there"
            for kind, id in self.records.keys() | other.records.keys()
            if self.records.get((kind, id)) != other.records.get((kind, id))
            or self.handles.get((kind, id)) != other.handles.get((kind, id))
        ]
        mine, theirs = self.memberships(), other.memberships()
        found += [f"membership {edge} only here" for edge in mine - theirs]
        return found + [f"membership {edge} only there" for edge in theirs - mine]

    def user(self, name: str) -> dict[str, Value]:
        """The attributes of the user who has this userName."""
        (found,) = [
            each for (kind, _), each in self.records.items() if kind is Kind.USER and each.get("userName") == name
        ]
        return found

    def has_user(self, name: str) -> bool:
        return any(kind is Kind.USER and each.get("userName") == name for (kind, _), each in self.records.items())

    def id_of(self, kind: Kind, name: str) -> str:
        """The id of the record that has this userName or, for a group, cn."""
        attribute = "userName" if kind is Kind.USER else "cn"
        (found,) = [id for (of, id), each in self.records.items() if of is kind and each.get(attribute) == name]
        return found

    def members_of(self, group: str) -> set[str]:
        """userName or cn of the members of the group with this cn."""
        wanted = self.id_of(Kind.GROUP, group)
        return {
            str(self.records[member]["userName" if member[0] is Kind.USER else "cn"])
            for of, member in self.memberships()
            if of == wanted
        }


def was_complete(pull: Pull) -> bool:
    """Whether the last pull was complete."""
    return pull.ends[0].complete and not any(isinstance(item, Present) for item in pull.items)
