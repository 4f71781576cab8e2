"""One Google Workspace customer: people, groups, memberships, org units, and the activities in Reports."""

from __future__ import annotations

import random
from collections.abc import Callable, Hashable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Any

Json = dict[str, Any]

CREATED = datetime(2024, 3, 1, 8, 0, tzinfo=UTC)


@dataclass
class Activity:
    """One event of an application's log. ``seen`` is the time at which Reports lists it."""

    application: str
    time: datetime
    unique: str
    name: str
    parameters: dict[str, str]
    seen: datetime


@dataclass
class Tenant:
    """The real content. Every change writes an activity, as at Google, which appears after ``reports_lag``; with
    ``reports_miss`` never. ``replica_lag``: number of reads of a changed or new group that a lagging replica answers.
    """

    domains: tuple[str, ...] = ("acme.example",)
    customer: str = "C03az79cb"
    now: Callable[[], datetime] = lambda: datetime.now(UTC)
    seed: int = 1
    reports_lag: timedelta = timedelta(0)
    reports_miss: bool = False
    replica_lag: int = 0
    users: dict[str, Json] = field(default_factory=dict)
    deleted: dict[str, Json] = field(default_factory=dict)
    groups: dict[str, Json] = field(default_factory=dict)
    members: dict[str, dict[str, Json]] = field(default_factory=dict)
    units: set[str] = field(default_factory=lambda: {"/"})
    admins: set[str] = field(default_factory=set)
    activities: list[Activity] = field(default_factory=list)
    grown: bool = False
    """Whether users are created now; otherwise they were created long ago."""
    miscounted: dict[str, int] = field(default_factory=dict)
    """Groups whose ``directMembersCount`` is this number."""

    def __post_init__(self) -> None:
        self.random = random.Random(self.seed)
        self._version = 0
        self._remembered: dict[Hashable, tuple[int, list[str]]] = {}
        self._stale: dict[str, tuple[list[Json] | None, int]] = {}
        self._events = 0

    @property
    def domain(self) -> str:
        return self.domains[0]

    def remembered(self, key: Hashable, make: Callable[[], list[str]]) -> list[str]:
        """The result of ``make``, cached until the next change."""
        version, found = self._remembered.get(key, (-1, []))
        if version != self._version:
            self._remembered[key] = self._version, (found := make())
        return found

    # ------------------------------------------------------------------------------------------------------ people

    def hire(self, name: str, *, domain: str | None = None, admin: bool = False, **more: Any) -> str:
        """A new user; ``name`` is "Given Family". Returns the id."""
        given, _, family = name.partition(" ")
        address = f"{given}.{family}".lower().replace(" ", "") + f"@{domain or self.domain}"
        user = {
            "id": self._number(),
            "primaryEmail": address,
            "name": {"givenName": given, "familyName": family, "fullName": name},
            "isAdmin": admin,
            "isDelegatedAdmin": False,
            "suspended": False,
            "archived": False,
            "creationTime": _stamp(self.now() if self.grown else CREATED),
            "lastLoginTime": "1970-01-01T00:00:00.000Z",
            "orgUnitPath": "/",
            "customerId": self.customer,
            "emails": [{"address": address, "primary": True}],
            "nonEditableAliases": [f"{address}.test-google-a.com"],
            **more,
        }
        self.users[user["id"]] = {name: value for name, value in user.items() if value != []}
        if admin:
            self.admins.add(address)
        self._tell("admin", "CREATE_USER", USER_EMAIL=address)
        return str(user["id"])

    def change(self, user: str, **attributes: Any) -> None:
        """Set attributes of a user; None removes one."""
        held = {**self.users[user], **attributes}
        self.users[user] = {name: value for name, value in held.items() if value is not None}
        self._tell("admin", "UPDATE_USER", USER_EMAIL=held["primaryEmail"])

    def leave(self, user: str) -> None:
        """Delete a user: it leaves the normal list and all groups, and can be restored for 20 days."""
        self.deleted[user] = {**self.users.pop(user), "deletionTime": _stamp(self.now())}
        for members in self.members.values():
            members.pop(user, None)
        self._tell("admin", "DELETE_USER", USER_EMAIL=self.deleted[user]["primaryEmail"])

    def come_back(self, user: str) -> None:
        """Restore a deleted user with the same id, without memberships."""
        held = self.deleted.pop(user)
        self.users[user] = {name: value for name, value in held.items() if name != "deletionTime"}
        self._tell("admin", "UNDELETE_USER", USER_EMAIL=held["primaryEmail"])

    # ------------------------------------------------------------------------------------------------------ groups

    def found(self, name: str, *, domain: str | None = None, **more: Any) -> str:
        """A new group; returns its id."""
        address = f"{name.lower().replace(' ', '-')}@{domain or self.domain}"
        key = "0" + "".join(self.random.choices("0123456789abcdefghijklmnopqrstuvwxyz", k=14))
        self.groups[key] = {"id": key, "email": address, "name": name, "description": "", "adminCreated": True, **more}
        self.members[key] = {}
        if self.replica_lag:
            self._stale[key] = (None, self.replica_lag)
        self._tell("admin", "CREATE_GROUP", GROUP_EMAIL=address)
        return key

    def rename_group(self, group: str, name: str) -> None:
        self.groups[group] = {**self.groups[group], "name": name}
        self._tell("admin", "CHANGE_GROUP_NAME", GROUP_EMAIL=self.groups[group]["email"])

    def dissolve(self, group: str) -> None:
        address = self.groups.pop(group)["email"]
        del self.members[group]
        for members in self.members.values():
            members.pop(group, None)
        self._tell("admin", "DELETE_GROUP", GROUP_EMAIL=address)

    def join(self, group: str, member: str, *, by: str = "admin") -> None:
        """Add an own user or group by id, an external one by address, or all users by the customer's id. ``by``: the
        application that logs it (``admin`` or ``groups_enterprise``)."""
        self._lag(group)
        self.members[group][member] = entry = self._member(member)
        self._membership(group, entry, by, "ADD_GROUP_MEMBER", "add_member")

    def part(self, group: str, member: str, *, by: str = "admin") -> None:
        self._lag(group)
        entry = self.members[group].pop(member)
        self._membership(group, entry, by, "REMOVE_GROUP_MEMBER", "remove_member")

    def _member(self, member: str) -> Json:
        entry: Json = {"id": member, "role": "MEMBER", "status": "ACTIVE"}
        if member == self.customer:
            return {**entry, "type": "CUSTOMER"}
        if member in self.users:
            return {**entry, "type": "USER", "email": self.users[member]["primaryEmail"]}
        if member in self.groups:
            return {**entry, "type": "GROUP", "email": self.groups[member]["email"]}
        return {"role": "MEMBER", "status": "ACTIVE", "type": "EXTERNAL", "email": member}

    def listed_members(self, group: str) -> list[Json] | None:
        """The members in a response; None: this replica does not know the group yet."""
        held, left = self._stale.get(group, (None, 0))
        if left:
            self._stale[group] = (held, left - 1)
            return held
        return [self._renewed(entry) for entry in self.members[group].values()]

    def _renewed(self, entry: Json) -> Json:
        """With the member's current address."""
        current = self.users.get(entry.get("id", "")) or self.groups.get(entry.get("id", ""))
        return {**entry, "email": current.get("primaryEmail") or current["email"]} if current else entry

    def catch_up(self) -> None:
        """Bring all replicas up to date, without lag from now on."""
        self.replica_lag = 0
        self._stale.clear()

    def _lag(self, group: str) -> None:
        if self.replica_lag:
            self._stale[group] = (list(self.members[group].values()), self.replica_lag)

    # --------------------------------------------------------------------------------------------------- activities

    def _membership(self, group: str, entry: Json, by: str, admin: str, enterprise: str) -> None:
        address, member = self.groups[group]["email"], entry.get("email", self.customer)
        if by == "admin":
            self._tell("admin", admin, GROUP_EMAIL=address, USER_EMAIL=member)
        else:
            self._tell(by, enterprise, group_id=address, member_id=member, member_role="member", namespace="")

    def _tell(self, application: str, name: str, **parameters: str) -> None:
        self._version += 1
        if self.reports_miss:
            return
        self._events += 1
        now = self.now()
        self.activities.append(
            Activity(application, now, str(10**18 + self._events), name, parameters, now + self.reports_lag)
        )

    def _number(self) -> str:
        """Ids are numbers of 21 digits."""
        return f"1{self.random.randrange(10**20):020}"


def _stamp(time: datetime) -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%S.000Z")


def company(people: int = 30, groups: int = 4, memberships: int = 25, **more: Any) -> Tenant:
    """A customer with an administrator, departments, managers and nested groups; always the same for the same
    numbers."""
    tenant = Tenant(**more)
    tenant.hire("Grace Admin", admin=True)
    tenant.units |= {"/Staff", "/Staff/Engineering", "/Contractors"}
    boss: str | None = None
    for number in range(people - 1):
        relations = [{"value": tenant.users[boss]["primaryEmail"], "type": "manager"}] if boss else []
        user = tenant.hire(
            f"Person{number} Of{number % 97}",
            orgUnitPath=("/Staff", "/Staff/Engineering", "/Contractors")[number % 3],
            organizations=[{
                "title": f"Title {number % 11}",
                "department": ("Engines", "Looms", "Sales")[number % 3],
                "costCenter": str(100 + number % 5),
                "description": "Employee",
                "primary": True,
                "customType": "",
            }],
            externalIds=[{"value": f"E{number:05}", "type": "organization"}],
            phones=[{"value": f"+49 30 {number:06}", "type": "work"}],
            relations=relations,
        )  # fmt: skip
        if number % 10 == 0:
            boss = user
    users, keys = list(tenant.users), [tenant.found(f"Group {number}") for number in range(groups)]
    for number in range(memberships):
        tenant.join(keys[number % groups], users[(number * 7) % len(users)])
    for outer, inner in pairwise(keys):
        if inner != keys[-1] or groups == 2:
            tenant.join(outer, inner)
    tenant.activities.clear()
    tenant.grown = True
    return tenant
