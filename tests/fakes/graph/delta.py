"""Delta queries as Graph implements them (learn.microsoft.com/graph/delta-query-overview).

A page has the content at the time of its request, not at the start of the round; changes since then come at its end, so
an object may be repeated, listed members may be removed again, and deleted objects are named.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from tests.fakes.graph.faults import Faults
from tests.fakes.graph.tenant import Entry, Kind, Tenant

Work = tuple[str, Sequence[str]] | dict[str, Any]
"""Part of a round: an object with some of its members, read when its page is requested; or a finished item."""

EXTENSIONS = 2
"""How often a round adds the changes that happened during it."""


@dataclass
class Round:
    kind: Kind
    select: frozenset[str] | None
    complete: bool
    upto: int
    """The length of the log up to which this round is complete."""
    minimal: bool
    work: list[Work] = field(default_factory=list)
    extended: int = 0
    replayed: bool = False
    repeated: set[int] = field(default_factory=set)


@dataclass
class Page:
    items: list[dict[str, Any]]
    next: int | None
    """The start of the next page; None: the round is complete."""


class Rounds:
    """Answers delta queries of one tenant."""

    def __init__(self, tenant: Tenant, faults: Faults, *, page_size: int, members_per_item: int) -> None:
        self._tenant = tenant
        self._faults = faults
        self._page_size = page_size
        self._members_per_item = members_per_item
        self.rounds: list[Round] = []
        self.sees_hidden = False
        """Whether the application may read hidden memberships."""

    def begin(self, kind: Kind, select: frozenset[str] | None) -> int:
        """A complete round; returns its number."""
        begun = Round(kind, select, complete=True, upto=len(self._tenant.log), minimal=False)
        slices = [list(self._slices(identifier, kind)) for identifier in self._tenant.of(kind)]
        # The slices of a large group are spread over the round.
        for turn in range(max(map(len, slices), default=0)):
            begun.work += [each[turn] for each in slices if turn < len(each)]
        begun.work += [_removed(identifier) for identifier, (of, _) in self._tenant.bin.items() if of == kind]
        self.rounds.append(begun)
        return len(self.rounds) - 1

    def resume(self, kind: Kind, select: frozenset[str] | None, since: int, *, minimal: bool) -> int:
        """A round of the changes after the log had this length."""
        begun = Round(kind, select, complete=False, upto=since, minimal=minimal)
        self._extend(begun)
        self.rounds.append(begun)
        return len(self.rounds) - 1

    def page(self, number: int, start: int) -> Page:
        found = self.rounds[number]
        end = start + self._page_size
        if end >= len(found.work) and found.upto < len(self._tenant.log) and found.extended < EXTENSIONS:
            found.extended += 1
            self._extend(found)
        if end >= len(found.work) and start > 0 and not found.replayed and self._faults.pick(["replay"]):
            found.replayed = True
            found.work += found.work[: self._page_size]
        items = [item for work in found.work[start:end] if (item := self._item(found, work))]
        following: int | None = end if end < len(found.work) or self._faults.endless else None
        if start not in found.repeated and self._faults.pick(["repeat_page"]):
            found.repeated.add(start)
            following = start
        if found.complete and self._faults.lose_page is not None and following is not None:
            kind, page = self._faults.lose_page
            lost = (page - 1) * self._page_size
            if found.kind == kind and following == lost:
                following = lost + self._page_size if lost + self._page_size < len(found.work) else None
                self._faults.seen.append("lose_page")
        return Page(items, following)

    # ---- what is said

    def _slices(self, identifier: str, kind: Kind) -> Iterator[Work]:
        members = list(self._tenant.members[identifier]) if kind == "group" else []
        for start in range(0, max(len(members), 1), self._members_per_item):
            yield identifier, members[start : start + self._members_per_item]

    def _item(self, found: Round, work: Work) -> dict[str, Any] | None:
        if isinstance(work, dict):
            return work
        identifier, members = work
        if identifier not in self._tenant.of(found.kind):
            return _removed(identifier) if found.complete else None
        item = self._whole(found, identifier)
        if found.kind == "group" and _selected("members", found.select) and not self._hidden(identifier):
            now = self._tenant.members[identifier]
            if listed := [listing for member in members if member in now and (listing := self._member(member))]:
                item["members@delta"] = listed
        return item

    def _whole(self, found: Round, identifier: str) -> dict[str, Any]:
        props = self._tenant.of(found.kind)[identifier]
        item = {"id": identifier, **{k: v for k, v in props.items() if v is not None and _selected(k, found.select)}}
        manager = self._tenant.managers.get(identifier)
        if manager and found.select and "manager" in found.select:
            item["manager@delta"] = [{"@odata.type": "#microsoft.graph.user", "id": manager}]
        return item

    def _member(self, identifier: str) -> dict[str, Any] | None:
        kind = self._tenant.type_of(identifier)
        return {"@odata.type": f"#microsoft.graph.{kind}", "id": identifier} if kind else None

    def _hidden(self, group: str) -> bool:
        return self._tenant.groups[group].get("visibility") == "HiddenMembership" and not self.sees_hidden

    def _extend(self, found: Round) -> None:
        since, found.upto = found.upto, len(self._tenant.log)
        touched: dict[str, None] = {}
        for entry in self._tenant.log[since:]:
            if entry.kind == found.kind:
                touched[entry.id] = None
        for identifier in touched:
            found.work += self._changes(found, identifier, since)

    def _changes(self, found: Round, identifier: str, since: int) -> Iterator[Work]:
        tenant = self._tenant
        entries = [entry for entry in tenant.log[since:] if entry.id == identifier and entry.kind == found.kind]
        if identifier not in tenant.of(found.kind):
            yield _removed(identifier, "changed" if identifier in tenant.bin else "deleted")
            return
        if any(entry.what in ("new", "restored") for entry in entries):
            yield from self._slices(identifier, found.kind)
            return
        item = self._changed(found, identifier, entries)
        moved = {entry.member: None for entry in entries if entry.what in ("joined", "left")}
        edges = self._moves(identifier, moved) if _selected("members", found.select) else []
        if len(item) > 1 or edges:
            for start in range(0, max(len(edges), 1), self._members_per_item):
                some = edges[start : start + self._members_per_item]
                yield {**item, **({"members@delta": some} if some else {})}

    def _changed(self, found: Round, identifier: str, entries: Sequence[Entry]) -> dict[str, Any]:
        props = self._tenant.of(found.kind)[identifier]
        names = frozenset[str]().union(*(entry.names for entry in entries))
        item = {
            "id": identifier,
            **{name: props.get(name) for name in names - {"manager"} if _selected(name, found.select)},
        }
        if len(item) > 1 and not found.minimal:
            item = {**self._whole(found, identifier), **item}
        if "manager" in names and found.select and "manager" in found.select:
            before = next(entry.member for entry in entries if "manager" in entry.names)
            now = self._tenant.managers.get(identifier, "")
            ends = [{**_user(before), "@removed": {"reason": "deleted"}}] if before not in ("", now) else []
            item["manager@delta"] = ends + ([_user(now)] if now else [])
        return item

    def _moves(self, group: str, moved: Iterable[str]) -> list[dict[str, Any]]:
        edges = []
        for member in moved:
            if member in self._tenant.members[group]:
                if self._member(member):
                    edges.append(self._member(member) or {})
            else:
                kind = self._tenant.type_of(member) or "user"
                edges.append(
                    {"@odata.type": f"#microsoft.graph.{kind}", "id": member, "@removed": {"reason": "deleted"}}
                )
        return edges


def _selected(name: str, select: frozenset[str] | None) -> bool:
    """Annotations are always included."""
    return select is None or name in select or name.startswith("@")


def _removed(identifier: str, reason: str = "changed") -> dict[str, Any]:
    """``changed``: soft-deleted; ``deleted``: permanently."""
    return {"id": identifier, "@removed": {"reason": reason}}


def _user(identifier: str) -> dict[str, Any]:
    return {"@odata.type": "#microsoft.graph.user", "id": identifier}
