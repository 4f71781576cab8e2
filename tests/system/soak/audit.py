"""Waits until nothing is due, and compares each target with what the directories, dates, rules and decisions say."""

from __future__ import annotations

import time
from array import array
from datetime import UTC, datetime, timedelta
from pprint import pformat
from typing import Any

from msgspec import Struct, field

from tests.system.soak.holdings import SPECS, Edge, Holdings, Journal, Spec, active, held_by, of, wanted_in
from tests.system.soak.site import LIMIT, Run, Site

MARGIN = timedelta(seconds=0.5)
"""No date is so near when a target is compared."""
QUIET = 300.0
"""Seconds within which nothing is due any more, on a machine that is busy with other things too."""
DELETIONS = timedelta(seconds=2)
"""Nor is a deletion: leavers are kept for a second."""

Share = tuple[str, str]
"""A target and a directory."""


class Kept(Struct):
    """A person that a rejection keeps in a target: the address, and the memberships."""

    email: str
    members: set[Edge] = field(default_factory=set)


class Audit:
    """``held``: the shares that the guard holds; ``kept``: by share, the people whose leaving was rejected."""

    def __init__(self, site: Site) -> None:
        self.site = site
        self.held: dict[Share, set[str]] = {}
        self.kept: dict[Share, dict[str, Kept]] = {}
        self.journal = Journal(site)
        self._approved: dict[Share, set[str]] = {}
        self._before: dict[str, Holdings] = {name: Holdings() for name in SPECS}
        self._unlisted = False
        self.checks = 0

    # ---- quiet

    def check(self) -> None:
        """Wait until nothing is due, and compare."""
        since = datetime.now(UTC)
        deadline = time.monotonic() + QUIET
        why = ""
        while True:
            if time.monotonic() > deadline:
                raise AssertionError(f"it did not become quiet: {why}\n{self.site.daemon.log.read_text()[-4000:]}")
            assert self.site.daemon.process.poll() is None, self.site.daemon.log.read_text()[-4000:]
            why = self._attempt(since)
            if not why:
                break
            time.sleep(0.1)
        self.checks += 1

    def _attempt(self, since: datetime) -> str:
        """Compare, if nothing is due. Returns what is."""
        runs = self.site.runs(since)
        deliveries: dict[str, Run] = {}
        for target, directories in self.site.targets().items():
            if why := self._is_delivered(runs, target, directories, since, deliveries):
                return why
        for target, run in deliveries.items():
            if near := [one for one in self._moments(target) if run.started <= one <= datetime.now(UTC) + 2 * MARGIN]:
                return f"a date of {target} is near, or was not delivered: {near}"
        now = datetime.now(UTC)
        status = self.site.usersyncd("status")[1]
        waits = {name for name, run in deliveries.items() if run.status == "held"}  # What is due is held, too.
        due = [one for one in status["targets"] if one["next_due"] and one["target"] not in waits]
        if near_due := [one for one in due if datetime.fromisoformat(one["next_due"]) < now + DELETIONS]:
            return f"due: {[(one['target'], one['next_due']) for one in near_due]}"
        held = {target: held_by(self.site, SPECS[target]) for target in SPECS}
        if any(now <= one <= datetime.now(UTC) for target in deliveries for one in self._moments(target)):
            return "a date passed meanwhile"
        failures = [one for one in status["directories"] if one["failures"] or one["error"]]
        assert not failures, pformat(failures)
        return self._compare(deliveries, held, now)

    def _is_delivered(
        self, runs: list[Run], target: str, directories: list[str], since: datetime, deliveries: dict[str, Run]
    ) -> str:
        read = since
        for name in directories:
            pulls = [run for run in runs if run.kind == 1 and run.subject == name and run.status == "succeeded"]
            if not pulls:
                if self._is_asleep(name):
                    self.site.usersyncd("sync", name)
                return f"{name} was not read"
            assert pulls[0].finished is not None
            read = max(read, pulls[0].finished)
        ended = [run for run in runs if run.kind == 2 and run.subject == target and run.started >= read]
        whole = [
            run for run in ended
            if run.finished and {share["directory"] for share in run.report["targets"]} >= {*directories}
            and run.status in ("succeeded", "held")
        ]  # fmt: skip
        if not whole:
            if len(directories) == 1 and self._is_asleep(directories[0]):
                self.site.usersyncd("sync", directories[0])
            return f"{target} was not delivered: {[run.status for run in ended]}"
        deliveries[target] = whole[-1]
        return ""

    def _moments(self, target: str) -> set[datetime]:
        """The dates of a target's directories."""
        names = self.site.targets()[target]
        return {moment for name in names for moment in self.site.companies[name].moments()}

    def _is_asleep(self, name: str) -> bool:
        return name == "corp" and self.site.settings.every != "1s"

    # ---- comparing

    def _compare(self, deliveries: dict[str, Run], held: dict[str, Holdings], now: datetime) -> str:
        self._explain(held)
        self.held = {}
        for name, spec in SPECS.items():
            if name not in deliveries:
                if self._unlisted:
                    assert held[name] == self._before[name], f"{name} is not in the file, and was changed"
                continue
            shares = {share["directory"]: share for share in deliveries[name].report["targets"]}
            for directory in self.site.companies if name == "app" else self.site.targets()[name]:
                is_held = bool(shares.get(directory, {}).get("held"))
                if why := self._compare_share(spec, directory, of(held[name], directory), is_held, now):
                    return why
        self._before = held
        self._unlisted = not self.site.settings.corp
        return ""

    def _explain(self, held: dict[str, Holdings]) -> None:
        """The journal says how each target came to hold what it holds, and no run harmed more than it may."""
        for (run, target, directory), ids in self.journal.follow().items():
            approved = self._approved.get((target, directory), set())
            if SPECS[target].guarded:
                assert len(ids - approved) <= LIMIT, f"run {run} deactivated {ids}; approved: {approved}"
            approved -= ids
        for name in SPECS:
            known = [_without(one, self._unanswered(name)) for one in (held[name], self.journal.targets[name])]
            _assert_equal(f"{name} and its journal", *known)

    def _unanswered(self, target: str) -> set[Edge]:
        """The memberships that an interrupted run changed without an answer: the next delivery repeats them."""
        rows = self.site.query(
            "SELECT d.name, g.id, m.unanswered FROM link_members m JOIN targets t ON t.id = m.target "
            "JOIN records g ON g.ref = m.ref JOIN directories d ON d.id = g.directory "
            "WHERE t.name = ? AND m.unanswered IS NOT NULL",
            target,
        )
        ids = dict(self.site.query("SELECT ref, id FROM records"))
        return {(directory, group, ids[ref]) for directory, group, refs in rows for ref in array("I", refs)}

    def _compare_share(self, spec: Spec, directory: str, held: Holdings, is_held: bool, now: datetime) -> str:
        share, site = (spec.name, directory), self.site
        is_listed = directory in site.listed
        wanted = wanted_in(site, spec, directory, now) if is_listed else Holdings()
        kept = self.kept.setdefault(share, {})
        leaving = active(held) - active(wanted) - kept.keys()
        if spec.adopts:
            leaving -= site.companies[directory].replaced  # Another record adopts the account.
        approved = self._approved.setdefault(share, set())
        approved &= leaving  # What is not planned any more falls away.
        leaving -= approved
        if spec.guarded:
            if is_held and len(leaving) <= LIMIT:
                return f"{share} is held, and only {leaving} leave"
            assert is_held == (len(leaving) > LIMIT), f"{share}: held {is_held}, and {leaving} are to leave"
        before = of(self._before[spec.name], directory)
        for id_, one in kept.items():
            row = held.people.get((directory, id_))
            assert row is not None, f"{share}: {id_} was rejected, and is deleted"
            assert row["active"], f"{share}: {id_} was rejected, and is deactivated"
            if not is_held and wanted.people.get((directory, id_), {}).get("active"):
                continue
            if _equals(id_, of(held, directory), wanted_in(site, spec, directory, now)):
                continue  # They returned before the share was held, and this was delivered.
            assert row[spec.key] == one.email, f"{share}: {id_} was rejected, and is {row}"
            assert one.members <= held.members, f"{share}: {id_} was rejected, and left {one.members - held.members}"
        if is_held:
            self.held[share] = leaving
            lost = active(wanted) & active(before) - active(held)
            assert not lost, f"{share} is held, and {lost} are deactivated"
            return ""
        for id_ in [id_ for id_ in kept if wanted.people.get((directory, id_), {}).get("active")]:
            del kept[id_]
        self._compare_exactly(spec, directory, held, wanted, before)
        return ""

    def _compare_exactly(self, spec: Spec, directory: str, held: Holdings, wanted: Holdings, before: Holdings) -> None:
        share, company = (spec.name, directory), self.site.companies[directory]
        kept = {(directory, id_) for id_ in self.kept[share]}
        stays = {edge for one in self.kept[share].values() for edge in one.members}
        _assert_equal(
            f"{spec.name}, {directory}: target and directory",
            Holdings(
                {one: row for one, row in held.people.items() if one in wanted.people and one not in kept},
                {one: name for one, name in held.groups.items() if one not in {edge[:2] for edge in stays}},
                {edge for edge in held.members if edge[::2] not in kept},
            ),
            Holdings(
                {one: row for one, row in wanted.people.items() if one not in kept},
                {one: name for one, name in wanted.groups.items() if one not in {edge[:2] for edge in stays}},
                {edge for edge in wanted.members if edge[::2] not in kept},
            ),
        )
        for one, row in held.people.items():
            if one not in wanted.people and one not in kept:
                assert not spec.deletes, f"{share}: {one} left, and is there"
                assert not row["active"], f"{share}: {one} left, and is active"
                assert row[spec.key] in company.emails[one[1]], f"{share}: {one} left, and has the address of another"
        missing = {one for one in before.people.keys() - held.people.keys() if one[1] not in company.replaced}
        assert spec.deletes or not missing, f"{share}: {missing} are deleted"

    # ---- decisions

    def decide(self, directory: str, verb: str) -> None:
        """Approve or reject what is held of a directory, from outside."""
        code, document = self.site.usersyncd(verb, directory, "--yes", "--reason", "soak")
        assert code == 0, self.site.folder.joinpath("command.errors").read_text()[-2000:]
        for one in document["held"]:
            share = one["target"], one["directory"]
            held = held_by(self.site, SPECS[one["target"]])
            ids = {change["id"] for change in one["changes"] if change["op"] == "deactivate"}
            if not one["first_delivery"]:
                assert ids == self.held[share], f"{share}: {verb} was asked about {ids}, not {self.held[share]}"
            if verb == "approve":
                self._approved.setdefault(share, set()).update(ids)
            else:
                kept = self.kept.setdefault(share, {})
                for id_ in ids:
                    row = held.people[directory, id_]
                    members = {edge for edge in held.members if edge[::2] == (directory, id_)}
                    kept[id_] = Kept(row[SPECS[one["target"]].key], members)
        self.held = {share: ids for share, ids in self.held.items() if share[1] != directory}

    def first_deliveries(self) -> None:
        """Approve what is held until somebody approves it."""
        self.site.wait("acme-own is not held", lambda: self._runs_of("acme-own", "held"))
        self.decide("acme", "approve")
        self.site.wait("acme-own was not delivered", lambda: self._runs_of("acme-own", "succeeded"))

    def _runs_of(self, target: str, status: str) -> list[Run]:
        ages = datetime.min.replace(tzinfo=UTC)
        return [run for run in self.site.runs(ages) if run.subject == target and run.status == status]


def _without(held: Holdings, members: set[Edge]) -> Holdings:
    return Holdings(held.people, held.groups, held.members - members)


def _assert_equal(what: str, held: Any, wanted: Any) -> None:
    if held == wanted:
        return
    differences = {
        "people": {one: (held.people.get(one), wanted.people.get(one))
                   for one in held.people.keys() | wanted.people.keys()
                   if held.people.get(one) != wanted.people.get(one)},
        "groups": {one: (held.groups.get(one), wanted.groups.get(one))
                   for one in held.groups.keys() | wanted.groups.keys()
                   if held.groups.get(one) != wanted.groups.get(one)},
        "members": (held.members - wanted.members, wanted.members - held.members),
    }  # fmt: skip
    raise AssertionError(f"{what} differ:\n{pformat(differences)}")


def _equals(id_: str, held: Holdings, wanted: Holdings) -> bool:
    """Whether a person's account and memberships are as the directory says."""
    accounts = ([row for (_, one), row in some.people.items() if one == id_] for some in (held, wanted))
    return next(accounts) == next(accounts) and {edge for edge in held.members if edge[2] == id_} == {
        edge for edge in wanted.members if edge[2] == id_
    }
