"""The content of a tenant, and the log of its changes for delta queries.

Props are Graph's own names (``userPrincipalName``, ``accountEnabled`` …). A soft-deleted object keeps its props and the
memberships that name it (learn.microsoft.com/graph/api/resources/directory), so that it can be restored.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, Literal

Kind = Literal["user", "group"]
LONG_AGO = datetime(2024, 1, 1, tzinfo=UTC)


@dataclass(frozen=True)
class Entry:
    """A line of the log: object ``id`` became ``what``; ``names`` are the changed props; ``member``: the joined or
    removed member, or the previous manager."""

    kind: Kind
    id: str
    what: Literal["new", "changed", "removed", "purged", "restored", "joined", "left"]
    names: frozenset[str] = frozenset()
    member: str = ""


@dataclass
class Tenant:
    """A tenant in memory. Every change is logged."""

    name: str = "Acme"
    users: dict[str, dict[str, Any]] = field(default_factory=dict)
    groups: dict[str, dict[str, Any]] = field(default_factory=dict)
    managers: dict[str, str] = field(default_factory=dict)
    members: dict[str, dict[str, None]] = field(default_factory=dict)
    """Group -> members in the order in which they joined."""
    others: dict[str, str] = field(default_factory=dict)
    """Devices, service principals and contacts: id -> type."""
    bin: dict[str, tuple[Kind, dict[str, Any]]] = field(default_factory=dict)
    """The soft-deleted objects."""
    log: list[Entry] = field(default_factory=list)
    settled: bool = False
    """Whether objects are created now; otherwise they were created long ago."""

    # ---- changes

    def add_user(self, identifier: str = "", **props: Any) -> str:
        identifier = identifier or str(uuid.uuid4())
        number = len(self.users) + len(self.bin)
        self.users[identifier] = {
            "accountEnabled": True,
            "createdDateTime": self._moment(),
            "displayName": f"Person {number}",
            "mail": f"person{number}@acme.example",
            "userPrincipalName": f"person{number}@acme.example",
            "userType": "Member",
            **props,
        }
        self.log.append(Entry("user", identifier, "new"))
        return identifier

    def add_group(self, identifier: str = "", **props: Any) -> str:
        identifier = identifier or str(uuid.uuid4())
        self.groups[identifier] = {
            "createdDateTime": self._moment(),
            "displayName": f"group {len(self.groups)}",
            "securityEnabled": True,
            **props,
        }
        self.members[identifier] = {}
        self.log.append(Entry("group", identifier, "new"))
        return identifier

    def add_other(self, kind: str, identifier: str = "") -> str:
        identifier = identifier or str(uuid.uuid4())
        self.others[identifier] = kind
        return identifier

    def change(self, identifier: str, **props: Any) -> None:
        """Set props; None clears one."""
        kind, held = self.find(identifier)
        held.update(props)
        self.log.append(Entry(kind, identifier, "changed", frozenset(props)))

    def set_manager(self, user: str, manager: str | None) -> None:
        before = self.managers.pop(user, "")
        if manager is not None:
            self.managers[user] = manager
        self.log.append(Entry("user", user, "changed", frozenset({"manager"}), member=before))

    def join(self, group: str, *members: str) -> None:
        for member in members:
            self.members[group][member] = None
            self.log.append(Entry("group", group, "joined", member=member))

    def leave(self, group: str, *members: str) -> None:
        for member in members:
            if member in self.members[group]:
                del self.members[group][member]
                self.log.append(Entry("group", group, "left", member=member))

    def delete(self, identifier: str) -> None:
        """Soft-delete: the memberships stay, and no group reports a change."""
        kind, props = self.find(identifier)
        del (self.users if kind == "user" else self.groups)[identifier]
        self.bin[identifier] = (kind, props)
        self.log.append(Entry(kind, identifier, "removed"))

    def restore(self, identifier: str) -> None:
        kind, props = self.bin.pop(identifier)
        (self.users if kind == "user" else self.groups)[identifier] = props
        self.log.append(Entry(kind, identifier, "restored"))

    def purge(self, identifier: str) -> None:
        """Delete a soft-deleted object permanently. Its memberships end, and no group reports it."""
        kind, _ = self.bin.pop(identifier)
        for members in self.members.values():
            members.pop(identifier, None)
        if kind == "group":
            del self.members[identifier]
        self.log.append(Entry(kind, identifier, "purged"))

    # ---- what is there

    def find(self, identifier: str) -> tuple[Kind, dict[str, Any]]:
        if identifier in self.users:
            return "user", self.users[identifier]
        return "group", self.groups[identifier]

    def of(self, kind: Kind) -> dict[str, dict[str, Any]]:
        return self.users if kind == "user" else self.groups

    def type_of(self, identifier: str) -> str | None:
        """None: soft-deleted, so that no list shows it."""
        if identifier in self.users:
            return str(self.users[identifier].get("@odata.type", "user")).rpartition(".")[2]
        return "group" if identifier in self.groups else self.others.get(identifier)

    def direct(self, group: str) -> list[str]:
        return [member for member in self.members[group] if self.type_of(member)]

    def transitive(self, group: str) -> list[str]:
        found: dict[str, None] = {}
        todo = [group]
        while todo:
            for member in self.direct(todo.pop()):
                if member not in found:
                    found[member] = None
                    if member in self.groups:
                        todo.append(member)
        return list(found)

    def groups_of(self, member: str) -> list[str]:
        return [group for group in self.groups if member in self.members[group]]

    def groups_above(self, member: str) -> list[str]:
        """The groups that have a member, directly or through nested groups."""
        return [group for group in self.groups if member in self.transitive(group)]

    def edges(self) -> Iterator[tuple[str, str]]:
        """The memberships of users and groups, as a pull should yield them."""
        for group in self.groups:
            for member in self.direct(group):
                if member not in self.others:
                    yield group, member

    def _moment(self) -> str:
        moment = datetime.now(UTC) if self.settled else LONG_AGO + timedelta(seconds=len(self.log))
        return moment.strftime("%Y-%m-%dT%H:%M:%SZ")


def company(users: int = 60, groups: int = 8, memberships: int = 200) -> Tenant:
    """A tenant of some size, the same each time: with nested groups, guests, disabled accounts, devices as members."""
    tenant = Tenant()
    people = [tenant.add_user(_id("u", number), **_person(number)) for number in range(users)]
    teams = [
        tenant.add_group(_id("g", number), displayName=f"team {number}", description=f"Team number {number}")
        for number in range(groups)
    ]
    for number in range(1, users):
        tenant.set_manager(people[number], people[number // 10])
    each = memberships // max(groups, 1)
    for number, team in enumerate(teams):
        tenant.join(team, *dict.fromkeys(people[(number * 37 + step * 11) % users] for step in range(min(each, users))))
    if groups > 3:
        tenant.join(teams[0], teams[1])
        tenant.join(teams[1], teams[2])
        tenant.join(
            teams[2], tenant.add_other("device", _id("d", 0)), tenant.add_other("servicePrincipal", _id("s", 0))
        )
        tenant.join(teams[3], tenant.add_other("orgContact", _id("c", 0)))
    tenant.settled = True
    return tenant


def _id(letter: str, number: int) -> str:
    return str(uuid.uuid5(uuid.NAMESPACE_URL, f"{letter}{number}"))


def _person(number: int) -> dict[str, Any]:
    login = f"person{number}@acme.example"
    person: dict[str, Any] = {
        "displayName": f"Given{number} Family{number}",
        "givenName": f"Given{number}",
        "surname": f"Family{number}",
        "jobTitle": f"Title {number % 40}",
        "department": f"Department {number % 25}",
        "companyName": "Acme",
        "employeeId": f"{number:06}",
        "mobilePhone": f"+49 170 {number:07}",
        "businessPhones": [f"+49 30 {number:07}"],
        "preferredLanguage": "en-GB",
        "mail": login,
        "userPrincipalName": login,
        "onPremisesExtensionAttributes": {
            f"extensionAttribute{n}": f"{n}/{number}" if n < 3 else None for n in range(1, 16)
        },
    }
    if number % 10 == 7:
        person |= {
            "userType": "Guest",
            "userPrincipalName": f"guest{number}_example.com#EXT#@acme.example",
            "mail": None,
        }
    if number % 13 == 5:
        person["accountEnabled"] = False
    return person
