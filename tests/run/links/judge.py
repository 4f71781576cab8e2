"""What must hold after every run: the judge's own book of who owns what is compared with the target."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Literal

from tests.run.links.life import Life, directory_of
from tests.run.links.shop import Row, Shop
from usersyncd.plugin import Kind

Consent = Collection[str] | Literal["all"]


class Broken(AssertionError):
    """A promise that was not kept."""


@dataclass
class Judge:
    """Compares the target with a book of who owns what.

    ``book``: each object as it was seen last, by kind and mark. Its ``ref`` is the id of the record that owns it.
    ``edges``: the memberships, by the marks of both ends. ``foreign``: those that the application made.
    ``damaged``: records whose objects the application changed or deleted.
    ``lost``: records whose objects the application deleted since the last whole delivery with consent, with their keys.
    ``unanswered``: the marks of objects that an unanswered run created. If the application changed the key of such an
    object, no later run could find it.
    ``deletes``: leavers are deleted at once.
    """

    shop: Shop
    deletes: bool
    book: Mapping[Kind, dict[str, Row]] = field(default_factory=lambda: {kind: {} for kind in Kind})
    edges: set[tuple[str, str]] = field(default_factory=set)
    foreign: set[tuple[str, str]] = field(default_factory=set)
    damaged: set[tuple[Kind, str]] = field(default_factory=set)
    lost: dict[tuple[Kind, str], str] = field(default_factory=dict)
    unanswered: set[str] = field(default_factory=set)
    writes: int = 0

    # ---- the application writes; ``who`` is a place among its objects

    def inserts(self, kind: Kind, role: str | None, active: bool, key: str) -> None:
        """Insert an object that no directory has, as a member of all teams that no directory has.

        It never gets both the id and the key of a deleted object: a run could not tell the two apart.
        """
        taken = {row.key for row in self.book[kind].values()} if self.shop.unique else set()
        if self.shop.reuses_ids:
            taken.update(lost for (one, _), lost in self.lost.items() if one is kind)
        if key in taken:
            return
        self.writes += 1
        active = active or kind is Kind.GROUP or self.deletes  # Else no rule would ever make it active.
        row = Row(f"mark f{self.writes}", None, key, f"foreign {self.writes}", active, role)
        self.shop.insert(kind, row)
        self.remember()
        self._connect()

    def _connect(self) -> None:
        for team in self.book[Kind.GROUP].values():
            for user in self.book[Kind.USER].values():
                if team.ref is None and user.ref is None and (team.mark, user.mark) not in self.edges:
                    self.shop.connect(team.mark, user.mark)
                    self.foreign.add((team.mark, user.mark))
        self.remember()

    def promotes(self, kind: Kind, who: int, role: str) -> None:
        """Give an object a role that may be protected. Not if its key was changed by hand: no run could restore it."""
        if rows := [row for row in self.book[kind].values() if (kind, row.ref) not in self.damaged]:
            self.shop.write(kind, rows[who % len(rows)].mark, "role", role)
            self.remember()

    def rewrites(self, kind: Kind, who: int, key: str) -> None:
        """Change a key by hand."""
        rows = [
            row for row in self.book[kind].values()
            if row.ref is not None and not row.protected and row.mark not in self.unanswered
        ]  # fmt: skip
        if rows and not any(row.key == key for row in self.book[kind].values()):
            row = rows[who % len(rows)]
            self.shop.write(kind, row.mark, "key", key)
            self.damaged.add((kind, str(row.ref)))
            self.remember()

    def deletes_by_hand(self, kind: Kind, who: int) -> None:
        if rows := [row for row in self.book[kind].values() if row.ref is not None]:
            self.delete(kind, str(rows[who % len(rows)].ref))

    def gives_id_away(self, kind: Kind, who: int) -> None:
        """Give the id and the memberships of a record to a stranger, as a restored target does."""
        rows = [row for row in self.book[kind].values() if row.ref is not None and not row.protected]
        if self.shop.numbers and rows:
            row = rows[who % len(rows)]
            self.writes += 1
            foreign = Row(f"mark f{self.writes}", None, f"foreign{self.writes}@x", f"foreign {self.writes}", True, None)
            self.shop.give_away(kind, row.mark, foreign)
            self.damaged.add((kind, str(row.ref)))
            self.lost[kind, str(row.ref)] = row.key
            self.remember()

    def delete(self, kind: Kind, id_: str) -> None:
        """Delete the object of a record."""
        if (row := self.object_of(kind, id_)) is not None:
            self.shop.delete(kind, row.mark)
            self.damaged.add((kind, id_))
            self.lost[kind, id_] = row.key
            self.remember()

    def remember(self) -> None:
        """Write into the book what the target holds now."""
        for kind in Kind:
            self.book[kind].clear()
            self.book[kind].update({row.mark: row for row in self.shop.rows(kind)})
        self.edges = self.shop.edges()

    def object_of(self, kind: Kind, id_: str) -> Row | None:
        return next((row for row in self.book[kind].values() if row.ref == id_), None)

    # ---- after every run

    def observe(self, life: Life, consent: Consent) -> None:
        """Compare what the target holds with the book: no object changed its owner without a reason. Raises Broken."""
        before, edges = {kind: dict(self.book[kind]) for kind in Kind}, self.edges
        now = {kind: {row.mark: row for row in self.shop.rows(kind)} for kind in Kind}
        for kind in Kind:
            self._once(kind, now[kind].values())
            for mark, row in now[kind].items():
                if mark in before[kind]:
                    self._same(life, kind, before[kind][mark], row, consent)
            for mark, row in before[kind].items():
                if mark not in now[kind]:
                    self._vanished(life, kind, row, consent)
        self.remember()
        touched = {edge for edge in edges ^ self.edges if self._is_untouchable(edge, before)}
        if touched:
            raise Broken(f"the run changed memberships of protected or foreign objects: {touched}")

    @staticmethod
    def _once(kind: Kind, rows: Collection[Row]) -> None:
        refs = [row.ref for row in rows if row.ref is not None]
        if len(set(refs)) < len(refs):
            raise Broken(f"a {kind} has two objects: {list(rows)}")

    def _is_untouchable(self, edge: tuple[str, str], before: Mapping[Kind, Mapping[str, Row]]) -> bool:
        """Return whether an end is protected or owned by no record, and both ends existed before and still do."""
        ends = list(zip((Kind.GROUP, Kind.USER), edge, strict=True))
        if not all(mark in before[kind] and mark in self.book[kind] for kind, mark in ends):
            return False
        return any(
            self.book[kind][mark].protected or (before[kind][mark].ref is None and self.book[kind][mark].ref is None)
            for kind, mark in ends
        )

    def _same(self, life: Life, kind: Kind, before: Row, now: Row, consent: Consent) -> None:
        if before.protected and before != now:
            raise Broken(f"the run changed a protected object: {before} → {now}")
        if before.role != now.role:
            raise Broken(f"the run changed a column that no rule sets: {before} → {now}")
        if before.ref == now.ref:
            if before.ref is None and before != now:
                raise Broken(f"the run changed an object that no record owns: {before} → {now}")
            return
        if now.ref is None or now.ref not in life.records[kind]:
            raise Broken(f"the object has lost its owner: {before} → {now}")
        if self.object_of(kind, now.ref) is not None:
            raise Broken(f"{now.ref} had an object, and got another: {before} → {now}")
        if before.ref in life.records[kind]:
            raise Broken(f"the owner is still in the directory: {before} → {now}")
        if not (_consents(consent, now.ref) or self._new_id(life, kind, before, now.ref)):
            raise Broken(f"adopted without consent: {before} → {now}")

    @staticmethod
    def _new_id(life: Life, kind: Kind, before: Row, id_: str) -> bool:
        """Return whether a person got a new id with the same key, and the target did not yet receive the leaving."""
        return (
            before.ref is not None
            and before.active
            and directory_of(before.ref) == directory_of(id_)
            and before.key == life.records[kind][id_].key
        )

    def _vanished(self, life: Life, kind: Kind, row: Row, consent: Consent) -> None:
        if not self.shop.marks and row.ref is None and not row.protected and consent:
            return  # Adopted: it has another id now.
        if row.protected or row.ref is None:
            raise Broken(f"the run deleted a protected or foreign object: {row}")
        if row.ref in life.records[kind]:
            raise Broken(f"the run deleted the object of a record that still exists: {row}")
        if kind is Kind.USER and not self.deletes and self.shop.marks:
            raise Broken(f"the run deleted a leaver's object: {row}")

    # ---- when everything was delivered

    def promises(self, life: Life, consent: Consent) -> None:
        """Check that every record has the object that the directories describe, or that there is a reason."""
        for kind in Kind:
            held = {row.ref: row for row in self.book[kind].values() if row.ref is not None}
            for id_ in life.records[kind]:
                if not self._is_right(life, kind, id_):
                    self._explain(life, kind, id_, consent)
            for ref, row in held.items():
                if ref not in life.records[kind] and not row.protected and not self._has_protected(row):
                    self._left(kind, row)
        self._memberships(life)
        if consent == "all":
            self.lost.clear()

    def all_right(self, life: Life) -> bool:
        """Return whether every record has the object that the directories describe."""
        return all(self._is_right(life, kind, id_) for kind in Kind for id_ in life.records[kind])

    def _is_right(self, life: Life, kind: Kind, id_: str) -> bool:
        row, record = self.object_of(kind, id_), life.records[kind][id_]
        return row is not None and replace(row, key=record.key, text=record.text, active=True) == row

    def _explain(self, life: Life, kind: Kind, id_: str, consent: Consent) -> None:
        """Find the reason why a record lacks its object: follow who holds the key. Raises Broken if there is none."""
        way: list[str] = []
        while True:
            row, record = self.object_of(kind, id_), life.records[kind][id_]
            way.append(id_)
            if row is not None and row.protected:
                return
            strange = self.shop.reuses_ids or self.shop.numbers
            if row is None and strange and (kind, id_) in self.lost and not _consents(consent, id_):
                return  # A stranger may have its id: a person must decide.
            rivals = [other for other, one in life.records[kind].items() if one.key == record.key and other != id_]
            if self.shop.unique and rivals:
                return
            losers = [other for (one, other), key in self.lost.items() if one is kind and key == record.key]
            if self.shop.numbers and any(other != id_ and not _consents(consent, other) for other in losers):
                return  # The link of the lost object keeps its key until a person decides.
            holder = next((one for one in self.book[kind].values() if one.key == record.key), None)
            if not self.shop.unique or holder is None or holder is row:
                raise Broken(f"{id_} is to be {record}, and is {row}")
            if holder.protected or (kind is Kind.GROUP and self._has_protected(holder)):
                return
            if holder.ref not in life.records[kind]:
                free = _consents(consent, id_) and row is None and (self.shop.adoptable or kind is Kind.GROUP)
                if free:
                    raise Broken(f"{id_} was to adopt {holder}, and is {row}")
                return
            if holder.ref in way:
                ring = way[way.index(holder.ref) :]
                if len({directory_of(one) for one in ring}) == 1:
                    raise Broken(f"{ring} were to exchange their keys")
                return
            id_ = str(holder.ref)

    def _has_protected(self, team: Row) -> bool:
        """Return whether a team has a protected member. Its memberships stay, so the team stays too."""
        people = self.book[Kind.USER]
        return any(mark == team.mark and people[person].protected for mark, person in self.edges if person in people)

    @staticmethod
    def _left(kind: Kind, row: Row) -> None:
        if kind is Kind.GROUP:
            raise Broken(f"a deleted group still has an object: {row}")
        if row.active:
            raise Broken(f"a leaver is still active: {row}")

    def _memberships(self, life: Life) -> None:
        people = {row.mark: row for row in self.book[Kind.USER].values()}
        teams = {row.mark: row for row in self.book[Kind.GROUP].values()}
        whole = {edge for edge in self.edges if edge[0] in teams and edge[1] in people}
        ends = [teams.get(team) or people.get(person) for team, person in self.edges - whole]
        if any(end is not None and end.ref is not None for end in ends):
            raise Broken(f"memberships with a deleted end: {self.edges - whole}")
        found = {
            (teams[team].ref, people[person].ref): (team, person)
            for team, person in whole
            if not teams[team].protected and not people[person].protected
            and teams[team].ref is not None and people[person].ref is not None
        }  # fmt: skip
        wanted = set(self._wanted(life))
        self.foreign -= {found[edge] for edge in found.keys() & wanted}
        if stale := {edge for edge in found.keys() - wanted if found[edge] not in self.foreign}:
            raise Broken(f"memberships that the directory does not have: {stale}")
        if missing := {
            edge for edge in wanted - found.keys()
            if self._is_right(life, Kind.GROUP, edge[0]) and self._is_right(life, Kind.USER, edge[1])
            and not self._is_protected(Kind.GROUP, edge[0]) and not self._is_protected(Kind.USER, edge[1])
        }:  # fmt: skip
            raise Broken(f"memberships that are missing: {missing}")

    def _is_protected(self, kind: Kind, id_: str) -> bool:
        row = self.object_of(kind, id_)
        return row is not None and row.protected

    @staticmethod
    def _wanted(life: Life) -> Iterator[tuple[str, str]]:
        for team, members in life.members.items():
            for person in members:
                if team in life.records[Kind.GROUP] and person in life.records[Kind.USER]:
                    yield team, person


def _consents(consent: Consent, id_: str) -> bool:
    return consent == "all" or id_ in consent
