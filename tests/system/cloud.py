"""Cloud directories for soak tests: a fake tenant that changes and fails at random, and what a target must hold."""

from __future__ import annotations

import threading
from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from random import Random

from tests.fakes import google, graph
from usersyncd.http_client import Clock

Person = tuple[str | None, ...]
"""Name to sign in with, address, name, ``yes`` or ``no`` for active, id of the manager."""


@dataclass
class Contents:
    """People and groups by id, and the people in each group, directly or through nested groups."""

    people: dict[str, Person] = field(default_factory=dict)
    groups: dict[str, str] = field(default_factory=dict)
    members: set[tuple[str, str]] = field(default_factory=set)

    @property
    def bosses(self) -> dict[str, str | None]:
        """Return the name of each person's manager."""
        return {who: self.people[boss][2] if (boss := person[4]) else None for who, person in self.people.items()}

    @property
    def teams(self) -> dict[str, str]:
        """Return the names of each person's groups."""
        found: dict[str, set[str]] = {who: set() for who in self.people}
        for group, who in self.members:
            found[who].add(self.groups[group])
        return {who: ";".join(sorted(names)) for who, names in found.items()}


class Cloud(ABC):
    """A tenant that changes between two requests with the probability ``unrest``.

    Changes are made in the fake's own thread, under ``lock``.
    """

    def __init__(self, dice: Random, clock: Clock) -> None:
        """``clock``: the clock by which the client waits."""
        self.dice = dice
        self.unrest = 0.0
        self.happened = 0
        """How many changes were made so far."""
        self.lock = threading.Lock()
        self.here: dict[str, datetime] = {}
        """The people in the tenant, and since when without a break."""
        self.away: dict[str, datetime] = {}
        """The people who left the tenant, and when."""

    @abstractmethod
    def configure(self, folder: Path) -> str:
        """Return the directory's section of the configuration, and write its secrets into ``folder``."""

    @abstractmethod
    def contents(self) -> Contents:
        """Compute what a target must hold from the tenant alone."""

    @abstractmethod
    def disturb(self) -> None:
        """Choose new faults, for one run. They stay until :meth:`calm`."""

    @abstractmethod
    def calm(self) -> None:
        """End all faults, and make delayed changes visible."""

    @abstractmethod
    def stop(self) -> None:
        """Stop the fake."""

    def forward(self, minutes: float) -> None:  # noqa: B027 - nothing depends on it everywhere
        """Move the provider's clock forward."""

    @property
    def is_honest(self) -> bool:
        """Return whether a pull can read everything now: the tenant does not delay a change to a later answer."""
        return True

    def live(self, times: int = 1) -> None:
        """Make random changes."""
        with self.lock:
            for _ in range(times):
                self._happen()
                self.happened += 1
                self._note()

    def _between(self) -> None:
        if self.unrest and self.dice.random() < self.unrest:
            self.live(self.dice.choice([1, 1, 5]))

    @abstractmethod
    def _happen(self) -> None: ...

    @abstractmethod
    def _people(self) -> Iterable[str]: ...

    def _note(self) -> None:
        now, people = datetime.now(UTC), set(self._people())
        for came in people - self.here.keys():
            self.here[came] = now
            self.away.pop(came, None)
        for left in self.here.keys() - people:
            del self.here[left]
            self.away[left] = now


class Entra(Cloud):
    """A tenant in the fake of Graph. Some tenants split the members of large groups over several items."""

    def __init__(self, dice: Random, clock: Clock) -> None:
        super().__init__(dice, clock)
        self.tenant = graph.company(users=60, groups=8, memberships=200)
        self.server = graph.Graph(self.tenant, page_size=9, members_per_item=dice.choice([8, 1000]))
        self.server.faults.random = dice
        self.server.now = clock.now
        self.server.between = self._between
        self.server.start()
        self._note()

    def configure(self, folder: Path) -> str:
        (folder / "secret").touch(0o600)
        (folder / "secret").write_text(graph.SECRET)
        return f"""\
    connector: entra
    options:
      tenant: {graph.TENANT}
      client_id: {graph.CLIENT}
      client_secret: {{file: secret}}
      endpoints: {{login: "{self.server.url}", graph: "{self.server.url}"}}
"""

    def contents(self) -> Contents:
        tenant, found = self.tenant, Contents()
        for identifier, user in tenant.users.items():
            manager = tenant.managers.get(identifier)
            found.people[identifier] = (
                user["userPrincipalName"],
                user.get("mail"),
                user.get("displayName"),
                "yes" if user["accountEnabled"] else "no",
                manager if manager in tenant.users else None,
            )
        for identifier, group in tenant.groups.items():
            found.groups[identifier] = group["displayName"]
            found.members |= {(identifier, who) for who in tenant.transitive(identifier) if who in tenant.users}
        return found

    @property
    def is_honest(self) -> bool:
        """Where what is new is on a lost page, the next run reads everything again."""
        return self.server.faults.lose_page is None

    def disturb(self) -> None:
        dice, faults = self.dice, self.server.faults
        kinds = dice.sample([*graph.PASSING, *graph.ROUND], 3)
        faults.rate = {kind: dice.choice([0.01, 0.04, 0.1]) for kind in kinds}
        faults.expire_cursor = dice.choice([None, None, None, "gone", "not_found", "generation", "resync"])
        # Pages that are full: on the last one may be as few as left meanwhile, and nobody could tell.
        faults.lose_page = dice.choice([None, None, None, None, ("user", 2), ("user", 5)])
        faults.clock_skew = dice.uniform(-1e6, 1e6)
        faults.units = dice.choice([None, None, 40])
        self.server.signin.app.lifetime = dice.choice([3599, 3599, 301])

    def calm(self) -> None:
        faults = self.server.faults
        faults.rate, faults.expire_cursor, faults.lose_page, faults.units = {}, None, None, None
        faults.clock_skew = 0
        self.server.signin.app.lifetime = 3599

    def stop(self) -> None:
        self.server.stop()

    def _people(self) -> Iterable[str]:
        return self.tenant.users

    def _happen(self) -> None:
        tenant, dice = self.tenant, self.dice
        users, groups, binned = list(tenant.users), list(tenant.groups), list(tenant.bin)
        user, group, other = dice.choice(users), dice.choice(groups), dice.choice(groups)
        match dice.randrange(16):
            case 0:
                tenant.join(group, tenant.add_user(displayName=f"New {len(tenant.log)}"))
            case 1 if len(users) > 40:
                tenant.delete(user)
            case 2 | 3 if binned:
                tenant.restore(dice.choice(binned))
            case 4 if binned:
                tenant.purge(dice.choice(binned))
            case 5:
                address = f"renamed{len(tenant.log)}@acme.example"
                tenant.change(user, userPrincipalName=address, mail=dice.choice([None, address]))
            case 6:
                tenant.change(user, accountEnabled=not tenant.users[user]["accountEnabled"])
            case 7:
                tenant.set_manager(user, dice.choice([None, *users]))
            case 8 | 9:
                tenant.join(group, *dice.sample(users, dice.choice([1, 12])))
            case 10 | 11:
                tenant.leave(group, *dice.sample(users, 20))
            case 12:
                new = tenant.add_group(displayName=f"group {len(tenant.log)}")
                tenant.join(new, group, *dice.sample(users, 15))
            case 13 if len(groups) > 5:
                tenant.delete(group)
            case 14:
                (tenant.leave if other in tenant.members[group] else tenant.join)(group, other)
            case _:
                tenant.change(group, displayName=f"renamed {len(tenant.log)}")


class Google(Cloud):
    """A customer of the fake of Google, whose time can be moved."""

    ending = frozenset({"lose_page", "repeat_page", "expire_page_token"})
    """Faults of which one in a run is enough."""

    def __init__(self, dice: Random, clock: Clock) -> None:
        super().__init__(dice, clock)
        self._ahead = timedelta(minutes=dice.choice([-4, 0, 4]))
        self.tenant = google.company(people=60, groups=8, memberships=90, now=self._now)
        self.server = google.Google(self.tenant)
        self.server.knobs.dice = dice
        self.server.knobs.page_size = 9
        self.server.meanwhile = lambda _: self._between()
        self._note()

    def forward(self, minutes: float) -> None:
        """Google's clock is not this machine's; but what it signs in by stays."""
        self._ahead += timedelta(minutes=minutes)

    def configure(self, folder: Path) -> str:
        (folder / "key.json").touch(0o600)
        (folder / "key.json").write_text(self.server.accounts.key_file(self.server.token_url))
        return f"""\
    connector: google
    options:
      service_account: {{file: key.json}}
      subject: {min(self.tenant.admins)}
      endpoint: {self.server.url}
      token_endpoint: {self.server.token_url}
"""

    def contents(self) -> Contents:
        tenant, found = self.tenant, Contents()
        addresses = {
            address: identifier
            for identifier, user in tenant.users.items()
            for address in (user["primaryEmail"], *user.get("aliases", ()), *user["nonEditableAliases"])
        }
        for identifier, user in tenant.users.items():
            named = [each["value"] for each in user.get("relations", ()) if each["type"] == "manager"]
            active = not (user["suspended"] or user["archived"])
            found.people[identifier] = (
                user["primaryEmail"],
                user["primaryEmail"],
                user["name"]["fullName"],
                "yes" if active else "no",
                addresses.get(named[0]) if named else None,
            )
        for identifier, group in tenant.groups.items():
            found.groups[identifier] = group["name"]
            found.members |= {(identifier, who) for who in _walked(tenant, identifier)}
        return found

    @property
    def is_honest(self) -> bool:
        tenant = self.tenant
        return not tenant.replica_lag and all(each.seen <= tenant.now() for each in tenant.activities)

    def disturb(self) -> None:
        dice, knobs = self.dice, self.server.knobs
        for name, knob in knobs.faults.items():
            knob.chance = 0 if name in self.ending else dice.choice([0, 0, 0.02, 0.1])
            if name in self.ending and dice.random() < 0.15:
                knob.times, knob.spare = 1, dice.randrange(20)
        with self.lock:
            self.tenant.catch_up()
            self.tenant.replica_lag = dice.choice([0, 0, 0, 1])
            self.tenant.reports_lag = timedelta(minutes=dice.choice([0, 0, 40]))
        self.server.accounts.life = dice.choice([3599, 3599, 60])

    def calm(self) -> None:
        knobs = self.server.knobs
        for knob in knobs.faults.values():
            knob.chance = knob.times = 0
        with self.lock:
            self.tenant.catch_up()
            self.tenant.reports_lag = timedelta(0)
        self.server.accounts.life = 3599

    def stop(self) -> None:
        self.server.stop()
        assert not self.server.unfaithful

    def _now(self) -> datetime:
        return datetime.now(UTC) + self._ahead

    def _people(self) -> Iterable[str]:
        return self.tenant.users

    def _happen(self) -> None:
        tenant, dice = self.tenant, self.dice
        users, groups, left = list(tenant.users)[1:], list(tenant.groups), list(tenant.deleted)
        user, group, other = dice.choice(users), dice.choice(groups), dice.choice(groups)
        by = dice.choice(["admin", "groups_enterprise"])
        match dice.randrange(15):
            case 0:
                tenant.join(group, tenant.hire(f"Newcomer{len(tenant.activities)} X"), by=by)
            case 1 if len(users) > 40:
                tenant.leave(user)
            case 2 if left:
                tenant.come_back(dice.choice(left))
            case 3:
                held, address = tenant.users[user], f"renamed{len(tenant.activities)}@acme.example"
                aliases = [*held.get("aliases", ()), held["primaryEmail"]]
                tenant.change(user, primaryEmail=address, aliases=aliases)
            case 4:
                which = dice.choice(["suspended", "archived"])
                tenant.change(user, **{which: not tenant.users[user][which]})
            case 5:
                boss = tenant.users[dice.choice(users)]["primaryEmail"]
                tenant.change(user, relations=dice.choice([None, [{"type": "manager", "value": boss}]]))
            case 6 | 7:
                for who in dice.sample(users, dice.choice([1, 12])):
                    if who not in tenant.members[group]:
                        tenant.join(group, who, by=by)
            case 8 | 9:
                for member in dice.sample(list(tenant.members[group]), min(5, len(tenant.members[group]))):
                    tenant.part(group, member, by=by)
            case 10:
                tenant.join(tenant.found(f"Group {len(tenant.activities)}"), user)
            case 11 if len(groups) > 5:
                tenant.dissolve(group)
            case 12:
                if other in tenant.members[group]:
                    tenant.part(group, other, by=by)
                else:
                    tenant.join(group, other, by=by)
            case 13:
                strange = dice.choice(["pat@partner.example", tenant.customer])
                if strange in tenant.members[group]:
                    tenant.part(group, strange, by=by)
                else:
                    tenant.join(group, strange, by=by)
            case _:
                tenant.rename_group(group, f"Renamed {len(tenant.activities)}")


def _walked(tenant: google.Tenant, group: str) -> set[str]:
    found, seen, todo = set[str](), {group}, [group]
    while todo:
        for member in tenant.members[todo.pop()]:
            if member == tenant.customer:
                found |= tenant.users.keys()
            elif member in tenant.users:
                found.add(member)
            elif member in tenant.groups and member not in seen:
                seen.add(member)
                todo.append(member)
    return found


CLOUDS: Mapping[str, type[Cloud]] = {"entra": Entra, "google": Google}
