"""What a target holds: read from its database, replayed from the journal, or as the directories and rules want it."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import datetime
from typing import Any

from msgspec import Struct, field

from tests.system.soak.company import Company, Group, Person
from tests.system.soak.site import Settings, Site

Id = tuple[str, str]
"""A directory, and the id of a record in it."""
Edge = tuple[str, str, str]
"""A directory, a group, and a member."""
Row = dict[str, Any]


class Holdings(Struct):
    """People and groups by id, and memberships."""

    people: dict[Id, Row] = field(default_factory=dict)
    groups: dict[Id, str] = field(default_factory=dict)
    members: set[Edge] = field(default_factory=set)


class Spec(Struct, frozen=True):
    """One target: its ``columns`` of people, each with the name in the rules, and the columns of ids and groups' names.
    ``key``: the address of a person, by its name in the rules; ``name``: that of a group. ``direct``: memberships as
    the directory has them. ``guarded``: the guard may hold changes; ``deletes``: leavers are deleted;
    ``has_scope``: a rule leaves interns out; ``adopts``: the address is the key, and another id adopts the account."""

    name: str
    columns: dict[str, str]
    id: str
    group_name: str
    key: str
    name_rule: str
    want: Callable[[Company, Person, datetime, Settings, dict[str, str]], Row]
    direct: bool = False
    guarded: bool = True
    deletes: bool = False
    has_scope: bool = False
    adopts: bool = False

    def includes(self, person: Person, settings: Settings) -> bool:
        return not self.has_scope or settings.interns or person.kind != "Intern"


def _app(company: Company, one: Person, now: datetime, settings: Settings, places: dict[str, str]) -> Row:
    name = "".join(c.upper() if c.isascii() else c for c in one.name) if settings.upper else one.name
    return {
        "email": one.email, "name": name, "active": one.is_active(now), "place": places.get(one.site, "nowhere"),
        "teams": company.teams(one.id) or None,
    }  # fmt: skip


def _acme_own(company: Company, one: Person, now: datetime, settings: Settings, places: dict[str, str]) -> Row:
    return {"email": one.email, "displayName": one.name, "active": one.is_active(now), "userType": one.kind}


def _corp_own(company: Company, one: Person, now: datetime, settings: Settings, places: dict[str, str]) -> Row:
    term = "open" if one.ends is None else "over" if one.ends <= now else "running"
    return {"ref": one.id, "mail": one.email, "active": one.is_active(now), "term": term}


SPECS = {
    spec.name: spec
    for spec in (
        Spec(
            "app", {name: name for name in ("email", "name", "active", "place", "teams")}, "record_id", "name", "email",
            "name", _app, has_scope=True, adopts=True,
        ),
        Spec(
            "acme-own",
            {"email": "email", "display_name": "displayName", "active": "active", "user_type": "userType"},
            "id", "display_name", "email", "displayName", _acme_own, direct=True,
        ),
        Spec(
            "corp-own", {name: name for name in ("ref", "mail", "active", "term")}, "record_id", "display_name", "mail",
            "displayName", _corp_own, guarded=False, deletes=True,
        ),
    )
}  # fmt: skip


def held_by(site: Site, spec: Spec) -> Holdings:
    """What the target's database holds."""
    file, found = f"{spec.name}.db", Holdings()
    columns = ", ".join(["directory", spec.id, *spec.columns])
    for directory, id_, *values in site.query(f"SELECT {columns} FROM users", file=file):
        row = dict(zip(spec.columns.values(), values, strict=True))
        found.people[directory, id_] = row | {"active": bool(row["active"]), **_text(row)}
    group_id = "record_id" if spec.name == "app" else "id"
    for directory, id_, name in site.query(f'SELECT directory, {group_id}, {spec.group_name} FROM "groups"', file=file):
        found.groups[directory, id_] = name
    found.members = set(site.query("SELECT directory, group_id, member_id FROM group_members", file=file))
    return found


def _text(row: Row) -> Row:
    """An empty text and nothing are the same to a person."""
    return {"teams": row["teams"] or None} if "teams" in row else {}


def wanted_in(site: Site, spec: Spec, name: str, now: datetime) -> Holdings:
    """What the target must hold of a directory that the configuration names, if nothing is held or rejected."""
    company, found = site.companies[name], Holdings()
    for person in company.people.values():
        if spec.includes(person, site.settings):
            found.people[name, person.id] = spec.want(company, person, now, site.settings, site.places)
    for group in company.groups.values():
        found.groups[name, group.id] = group.name
        known = {one for one in _members(company, spec, group) if one in company.groups or (name, one) in found.people}
        found.members |= {(name, group.id, one) for one in known}
    return found


def _members(company: Company, spec: Spec, group: Group) -> set[str]:
    return group.people | group.groups if spec.direct else company.members(group)


class Journal:
    """Every target as the journal explains it: the changes in their order, begun with nothing.
    ``causes``: how many changes each cause explains."""

    def __init__(self, site: Site) -> None:
        self._site = site
        self._last = 0
        self.targets = {name: Holdings() for name in SPECS}
        self.causes: dict[str, int] = {}

    def follow(self) -> dict[tuple[str, str, str], set[str]]:
        """Read on. Returns the ids of the people that each run deactivated, by run, target and directory."""
        deactivated: dict[tuple[str, str, str], set[str]] = {}
        for number, run, report, target, directory, op, kind, id_, *texts in self._site.journal(self._last):
            assert run is not None, f"{op} of {kind} {id_} in {target} has no run"
            cause = json.loads(report)["cause"]
            assert cause in ("pull", "date", "approval", "retry", "reload", "manual"), cause
            self.causes[cause] = self.causes.get(cause, 0) + 1
            self._last = number
            before, after, members = (text and json.loads(text) for text in texts)
            where = f"{op} of {kind} {id_} of {directory} in {target}, run {run}"
            if op in ("add", "remove"):
                self._members(target, op, {(directory, id_, one["id"]) for one in members}, where)
            elif kind == "user":
                self._person(target, op, (directory, id_), before, after, where)
                if op == "deactivate":
                    deactivated.setdefault((run, target, directory), set()).add(id_)
            else:
                self._group(target, op, (directory, id_), before, after, where)
        return deactivated

    def _members(self, target: str, op: str, edges: set[Edge], where: str) -> None:
        held = self.targets[target].members
        if op == "add":
            held |= edges
        else:
            held -= edges

    def _person(self, target: str, op: str, one: Id, before: Row, after: Row, where: str) -> None:
        held, spec = self.targets[target], SPECS[target]
        if op == "create":
            assert one not in held.people, f"{where}: it is there"
        elif op == "adopt":
            old = next(id_ for id_, row in held.people.items() if row[spec.key] == before[spec.key])
            del held.people[old]
            moved = {edge for edge in held.members if edge[0] == old[0] and edge[2] == old[1]}
            held.members -= moved
            held.members |= {(directory, group, one[1]) for directory, group, _ in moved}
        else:
            assert one in held.people, f"{where}: it is not there"
            assert held.people[one] == self._row(spec, before), f"{where}: it held {held.people[one]}, not {before}"
        if op == "delete":
            del held.people[one]
            held.members = {edge for edge in held.members if edge[::2] != one}
        else:
            held.people[one] = self._row(spec, after)

    def _row(self, spec: Spec, shape: Row) -> Row:
        row = {name: shape.get(name) for name in spec.columns.values()}
        return row | {"active": row["active"] is not False, **_text(row)}

    def _group(self, target: str, op: str, one: Id, before: Row, after: Row, where: str) -> None:
        held, rule = self.targets[target], SPECS[target].name_rule
        assert (one in held.groups) == (op != "create"), where
        if op == "delete":
            del held.groups[one]
            held.members = {edge for edge in held.members if edge[:2] != one and edge[::2] != one}
        else:
            held.groups[one] = after[rule]


def of(held: Holdings, directory: str) -> Holdings:
    """The part of one directory."""
    return Holdings(
        {one: row for one, row in held.people.items() if one[0] == directory},
        {one: name for one, name in held.groups.items() if one[0] == directory},
        {edge for edge in held.members if edge[0] == directory},
    )


def active(held: Holdings) -> set[str]:
    """The ids of the people who are active, in the part of one directory."""
    return {id_ for (_, id_), row in held.people.items() if row["active"]}
