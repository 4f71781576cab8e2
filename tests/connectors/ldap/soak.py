"""Random changes to a directory, as people make them: joiners, leavers, moves, new names, groups, locked accounts."""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Protocol

from tests.servers.ldap_server import Attributes
from tests.servers.samba import Samba

UNITS = ("one", "two", "outside")
"""Where people and groups are; what is ``outside`` is not read."""


class Server(Protocol):
    """What all servers of the tests can do."""

    base: str

    def add(self, dn: str, attributes: Attributes) -> None: ...
    def modify(self, dn: str, attributes: Attributes) -> None: ...
    def rename(self, dn: str, rdn: str, parent: str | None = None) -> None: ...
    def delete(self, dn: str) -> None: ...


class Life:
    """Goes on one step at a time, always the same for the same seed. People and groups are known by their DNs.

    ``people`` and ``groups`` are how many there are at first.
    """

    def __init__(self, server: Server, seed: int, people: int, groups: int) -> None:
        self.random = random.Random(seed)
        self.server = server
        self.people: list[str] = []
        self.groups: dict[str, set[str]] = {}
        self.steps = 0
        self._number = 0
        self._ad = isinstance(server, Samba)
        self.units = [f"OU={unit},{server.base}" for unit in UNITS]
        for unit in self.units:
            server.add(unit, {"objectClass": "organizationalUnit"})
        for _ in range(people):
            self.join()
        for _ in range(groups):
            self.found()

    def step(self) -> None:
        """Make one change."""
        usual: list[tuple[int, Callable[[], None]]] = [
            (4, self.join), (3, self.leave), (6, self.edit), (4, self.move), (2, self.replace), (3, self.lock),
            (1, self.found), (1, self.dissolve), (2, self.reorganize), (5, self.enter), (4, self.quit),
        ]  # fmt: skip
        weights, ways = zip(*usual, strict=True)
        self.random.choices(ways, weights)[0]()
        self.steps += 1

    def join(self) -> None:
        self.people.append(self._person(self._name("u"), self.random.choice(self.units)))

    def leave(self) -> None:
        if len(self.people) > 5:
            self._delete(self.people.pop(self.random.randrange(len(self.people))))

    def edit(self) -> None:
        title = self.random.choice([[], [f"Title {self.random.randrange(9)}"]])
        self.server.modify(self.random.choice(self.people), {"title": title, "description": f"step {self.steps}"})

    def move(self) -> None:
        """Move a person to another unit, another name, or both."""
        old = self.people.pop(self.random.randrange(len(self.people)))
        rdn, _, unit = old.partition(",")
        unit = self.random.choice(self.units)
        if self.random.random() < 0.5:
            rdn = f"{rdn.partition('=')[0]}={self._name('r')}"
        self._rename(old, rdn, unit)
        self.people.append(f"{rdn},{unit}")

    def replace(self) -> None:
        """Delete a person, and add another one under the same DN."""
        dn = self.random.choice(self.people)
        self._delete(dn)
        rdn, _, unit = dn.partition(",")
        self._person(rdn.partition("=")[2], unit)

    def lock(self) -> None:
        dn = self.random.choice(self.people)
        locked = self.random.random() < 0.5
        if self._ad:
            self.server.modify(dn, {"userAccountControl": "546" if locked else "544"})
        elif "389" in type(self.server).__name__:
            self.server.modify(dn, {"nsAccountLock": ["true"] if locked else []})

    def found(self) -> None:
        name = self._name("g")
        dn = f"CN={name},{self.random.choice(self.units)}"
        members = set(self.random.sample(self.people, min(5, len(self.people))))
        kind = {"objectClass": "group", "sAMAccountName": name} if self._ad else {"objectClass": "groupOfNames"}
        self.server.add(dn, {**kind, "member": self._written(members)})
        self.groups[dn] = members

    def dissolve(self) -> None:
        if len(self.groups) > 3:
            dn = self.random.choice(sorted(self.groups))
            del self.groups[dn]
            self._delete(dn)

    def reorganize(self) -> None:
        """A group gets another name, unit or description."""
        old = self.random.choice(sorted(self.groups))
        if self.random.random() < 0.5:
            self.server.modify(old, {"description": f"step {self.steps}"})
            return
        members = self.groups.pop(old)
        rdn, unit = f"CN={self._name('h')}", self.random.choice(self.units)
        self._rename(old, rdn, unit)
        self.groups[f"{rdn},{unit}"] = members

    def enter(self) -> None:
        """Add a person or another group to a group."""
        group = self.random.choice(sorted(self.groups))
        who = self.random.choice(self.people if self.random.random() < 0.8 else sorted(self.groups))
        if who != group:
            self._set_members(group, self.groups[group] | {who})

    def quit(self) -> None:
        group = self.random.choice(sorted(self.groups))
        if self.groups[group]:
            gone = self.random.choice(sorted(self.groups[group]))
            self._set_members(group, self.groups[group] - {gone})

    def _name(self, letter: str) -> str:
        self._number += 1
        return f"{letter}{self._number}"

    def _person(self, name: str, unit: str) -> str:
        dn = f"{'CN' if self._ad else 'uid'}={name},{unit}"
        if self._ad:
            login = self._name("login")
            self.server.add(dn, {"objectClass": "user", "sAMAccountName": login, "userAccountControl": "544"})
        else:
            self.server.add(dn, {"objectClass": "inetOrgPerson", "cn": name, "sn": name})
        return dn

    def _set_members(self, group: str, members: set[str]) -> None:
        self.groups[group] = members
        self.server.modify(group, {"member": self._written(members)})

    def _written(self, members: set[str]) -> list[str]:
        """groupOfNames may not be without members."""
        return sorted(members) if self._ad else ["cn=placeholder", *sorted(members)]

    def _rename(self, old: str, rdn: str, unit: str) -> None:
        self.server.rename(old, rdn, unit)
        if self._ad:  # where links follow by themselves
            for members in self.groups.values():
                if old in members:
                    members.remove(old)
                    members.add(f"{rdn},{unit}")

    def _delete(self, dn: str) -> None:
        self.server.delete(dn)
        if self._ad:
            for members in self.groups.values():
                members.discard(dn)
