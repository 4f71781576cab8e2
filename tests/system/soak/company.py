"""A directory of CSV files whose people and groups come, leave, change, and have dates that fall due within seconds."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Iterable, Sequence
from datetime import UTC, datetime, timedelta, timezone
from itertools import count
from pathlib import Path
from random import Random

from msgspec import Struct, field

LEAST = 20
"""With fewer people, nobody leaves."""
MASS = (7, 9)
"""The numbers of people between which many leave at once: more than the guard lets through."""
NEVER = datetime(9999, 12, 30, tzinfo=UTC)
ALWAYS = datetime(2000, 1, 1, tzinfo=UTC)
SITES = ("A", "B", "C", "Zürich, HB")


class Person(Struct):
    """A person as the directory knows them."""

    id: str
    email: str
    name: str
    kind: str = "Employee"
    site: str = "A"
    active: bool = True
    begins: datetime | None = None
    ends: datetime | None = None

    def is_active(self, now: datetime) -> bool:
        return self.active and (self.begins is None or self.begins <= now) and (self.ends is None or now < self.ends)

    @property
    def is_plain(self) -> bool:
        """Whether the person is active without a date, and no rule leaves them out."""
        return self.active and self.begins is None and self.ends is None and self.kind == "Employee"


class Group(Struct):
    """A group, and the ids of its members: people, and groups with a higher number."""

    id: str
    name: str
    number: int
    people: set[str] = field(default_factory=set)
    groups: set[str] = field(default_factory=set)


class Company:
    """One directory. ``touched`` has the ids that were changed in this round: nobody is changed twice, so that what a
    target must hold does not depend on which of the two changes was read together with what."""

    def __init__(self, name: str, folder: Path, dice: Random) -> None:
        self.name = name
        self.people: dict[str, Person] = {}
        self.left: dict[str, Person] = {}
        self.groups: dict[str, Group] = {}
        self.emails: dict[str, set[str]] = {}
        """Every address that each person ever had."""
        self.replaced: set[str] = set()
        """The ids of people who have another id now."""
        self.touched: set[str] = set()
        self.kept: set[str] = set()
        """The ids of people that a decision keeps as they are: nothing happens to them or their groups."""
        self._folder = folder / name
        self._folder.mkdir()
        self._dice = dice
        self._numbers = count(1)
        anchor = self._join()  # Each attribute stays known, whatever happens to the others.
        anchor.begins, anchor.ends = ALWAYS, NEVER
        self._anchor = anchor.id
        for _ in range(5):
            self.found_group()
        for _ in range(LEAST + 4):
            self._join()
        self.touched.clear()

    # ---- what happens

    def comes(self) -> None:
        """People join, some of them as interns, some later or for some seconds only."""
        for _ in range(self._dice.randint(1, 3)):
            person = self._join()
            person.kind = self._dice.choice(["Employee", "Employee", "Intern"])
            if self._dice.random() < 0.3:
                person.begins = self._soon()
            if self._dice.random() < 0.3:
                person.ends = (person.begins or datetime.now(UTC)) + timedelta(seconds=self._dice.randint(3, 6))

    def leaves(self) -> None:
        """One or two people leave."""
        for person in self._some(self._dice.randint(1, 2)) if len(self.people) > LEAST else ():
            self._leave(person)

    def many_leave(self) -> None:
        """More people leave at once than the guard lets through."""
        for person in self._mass():
            self._leave(person)

    def many_end(self) -> None:
        """The dates of many people fall due at the same moment."""
        ends = self._soon()
        for person in self._mass():
            person.ends = ends

    def returns(self) -> None:
        """People return under their ids."""
        for id_ in self._pick(self.left.keys() - self.touched - self.kept - self.replaced, self._dice.randint(1, 4)):
            self.touched.add(id_)
            person = self.people[id_] = self.left.pop(id_)
            person.begins = person.ends = None
            person.active = True

    def changes_id(self) -> None:
        """The directory makes a person again: another id, the same address."""
        for person in self._some(1, plain=True):
            self._leave(person)
            self.replaced.add(person.id)
            successor = self._join(person.email)
            successor.name, successor.site = person.name, person.site

    def exchange_addresses(self) -> None:
        some = self._some(self._dice.randint(2, 4), plain=True)
        emails = [person.email for person in some]
        for person, email in zip(some, emails[1:] + emails[:1], strict=True):
            self._address(person, email)

    def moves(self) -> None:
        """Addresses, names and sites change."""
        for person in self._some(3, plain=True):
            self._address(person, self._fresh_address())
            person.name = f"Zoë {next(self._numbers)}"
            person.site = self._dice.choice(SITES)

    def changes_kind(self) -> None:
        for person in self._some(2, plain=True):
            person.kind = "Intern"

    def is_switched(self) -> None:
        """The directory says itself that people are not active, or are again."""
        for person in self._some(2):
            person.active = not person.active

    def gets_dates(self) -> None:
        """Some people begin or end within seconds."""
        for person in self._some(self._dice.randint(1, 3)):
            person.begins, person.ends = self._dice.choice(
                [(None, self._soon()), (self._soon(), None), (ALWAYS, self._soon()), (None, None)]
            )

    def found_group(self) -> None:
        number = next(self._numbers)
        group = Group(f"g{number}", f"Group {number} of {self.name}", number)
        group.people = set(self._pick(self._free(), 4))
        self.groups[group.id] = group

    def ends_group(self) -> None:
        for group in self._some_groups(1) if len(self.groups) > 4 else ():
            del self.groups[group.id]
            for other in self.groups.values():
                other.groups.discard(group.id)

    def renames_groups(self) -> None:
        """Two groups exchange their names, or one gets another."""
        some = self._some_groups(2)
        if len(some) == 2 and self._dice.random() < 0.5:
            some[0].name, some[1].name = some[1].name, some[0].name
        elif some:
            some[0].name = f"Group {next(self._numbers)} of {self.name}"

    def changes_members(self) -> None:
        for group in self._some_groups(2):
            free = self._free()
            group.people ^= set(self._pick(free, 3))

    def nests(self) -> None:
        """A group enters another one, or leaves it."""
        some = sorted(self._some_groups(2), key=lambda group: group.number)
        if len(some) == 2:
            some[0].groups ^= {some[1].id}

    def release(self) -> None:
        """The people that a decision keeps are there, and stay: their rejected departures fall away."""
        for id_ in sorted(self.kept):
            if id_ in self.left and id_ not in self.replaced:
                self.people[id_] = self.left.pop(id_)
            if person := self.people.get(id_):
                person.begins = person.ends = None
                person.kind, person.active = "Employee", True
                self.touched.add(id_)

    edits: Sequence[Callable[[Company], None]] = (
        comes, leaves, many_leave, many_end, returns, changes_id, exchange_addresses, moves, changes_kind, is_switched,
        gets_dates, found_group, ends_group, renames_groups, changes_members, nests,
    )  # fmt: skip

    # ---- what there is

    def moments(self) -> set[datetime]:
        """The moments at which somebody begins or ends."""
        return {moment for one in self.people.values() for moment in (one.begins, one.ends) if moment is not None}

    def members(self, group: Group) -> set[str]:
        """The people of a group, those of its groups included."""
        found = set(group.people)
        for nested in group.groups:
            found |= self.members(self.groups[nested])
        return found

    def teams(self, id_: str) -> str:
        """The names of a person's groups."""
        return ";".join(sorted(group.name for group in self.groups.values() if id_ in self.members(group)))

    # ---- the files

    def write(self, *, broken: bool = False) -> None:
        """Write the files, each in one step. ``broken``: the file of people ends in the middle of a row."""
        people = [
            [one.id, one.email, one.name, one.kind, one.site, str(one.active).lower(), *self._dates(one)]
            for one in self.people.values()
        ]
        members = [[group.id, one, "user"] for group in self.groups.values() for one in sorted(group.people)]
        members += [[group.id, one, "group"] for group in self.groups.values() for one in sorted(group.groups)]
        header = ["id", "email", "displayName", "userType", "site", "active", "validFrom", "validUntil"]
        text = self._table(header, people)
        if broken:
            place = text.index("\n", len(text) // 2) + 2
            (self._folder / "users.csv").write_text(text[:place], "utf-8")
            return
        self._replace("users.csv", text)
        self._replace("groups.csv", self._table(["id", "displayName"], [[g.id, g.name] for g in self.groups.values()]))
        self._replace("members.csv", self._table(["group_id", "member_id", "member_kind"], members))

    def _dates(self, person: Person) -> list[str]:
        return [self._date(moment) for moment in (person.begins, person.ends)]

    def _date(self, moment: datetime | None) -> str:
        """The moment in one of the ways in which exports write it."""
        if moment is None:
            return ""
        if moment in (NEVER, ALWAYS):
            return f"{moment:%Y-%m-%dT%H:%M:%SZ}"
        zone = timezone(timedelta(hours=self._dice.choice([0, 2, -5])))
        return moment.astimezone(zone).isoformat()

    def _table(self, header: list[str], rows: list[list[str]]) -> str:
        """The order of the columns and rows is another one each time."""
        order = self._dice.sample(range(len(header)), len(header))
        self._dice.shuffle(rows)
        out = io.StringIO()
        csv.writer(out, lineterminator="\n").writerows([row[place] for place in order] for row in (header, *rows))
        return out.getvalue()

    def _replace(self, name: str, text: str) -> None:
        part = self._folder / f"{name}.part"
        part.write_text(text, "utf-8")
        part.replace(self._folder / name)

    # ---- chance

    def _soon(self) -> datetime:
        """A moment within some seconds."""
        return datetime.now(UTC).replace(microsecond=0) + timedelta(seconds=self._dice.randint(2, 5))

    def _pick(self, ids: Iterable[str], number: int) -> list[str]:
        found = sorted(ids)
        return self._dice.sample(found, min(number, len(found)))

    def _free(self) -> set[str]:
        return self.people.keys() - self.touched - self.kept - {self._anchor}

    def _some(self, number: int, *, plain: bool = False) -> list[Person]:
        free = {id_ for id_ in self._free() if not plain or self.people[id_].is_plain}
        found = self._pick(free, number)
        self.touched.update(found)
        return [self.people[id_] for id_ in found]

    def _mass(self) -> list[Person]:
        number = self._dice.randint(*MASS)
        return self._some(number, plain=True) if len(self.people) > LEAST else []

    def _some_groups(self, number: int) -> list[Group]:
        """Groups without people that a decision keeps."""
        free = {group.id for group in self.groups.values() if not self.members(group) & self.kept}
        return [self.groups[id_] for id_ in self._pick(free, number)]

    def _fresh_address(self) -> str:
        return f"p{next(self._numbers)}@{self.name}.example"

    def _address(self, person: Person, email: str) -> None:
        person.email = email
        self.emails.setdefault(person.id, set()).add(email)

    def _join(self, email: str | None = None) -> Person:
        number = next(self._numbers)
        person = Person(f"{number}-{self._dice.choice('xyz')}", "", f"Zoë {number}", site=self._dice.choice(SITES))
        self._address(person, email or self._fresh_address())
        self.people[person.id] = person
        self.touched.add(person.id)
        for id_ in self._pick(self.groups, 2):
            self.groups[id_].people.add(person.id)
        return person

    def _leave(self, person: Person) -> None:
        self.left[person.id] = self.people.pop(person.id)
        for group in self.groups.values():
            group.people.discard(person.id)
