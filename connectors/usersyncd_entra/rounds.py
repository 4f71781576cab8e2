"""Merges the items of a round of a delta query.

Objects come in any order, and may be repeated; a large group comes in several items; objects that change during a round
are repeated at its end. The last value counts, and properties that an item does not have keep their value
(learn.microsoft.com/graph/delta-query-overview).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Container, Iterable, Iterator, Sequence
from operator import attrgetter

from msgspec import Struct

from usersyncd.plugin import Gone, Kind, Members, Page, Patch, Record, Unread, Value
from usersyncd_entra.faults import reporting_unknown_forms
from usersyncd_entra.fields import Fields, present
from usersyncd_entra.forms import MALFORMED_MEMBERS, Unreadable
from usersyncd_entra.mapping import BORN, GROUP_TYPE, OTHER_TYPES, USER_TYPE, VISIBILITY
from usersyncd_entra.objects import End, Group, Object, group_type

ITEMS = 1000
"""Records and sets of members per page."""
EDGES = 50_000
"""Memberships per page, not counting its last group."""


class UserRound:
    """Users, passed on as they arrive. ``complete``: the round lists all users, not changes."""

    def __init__(self, fields: Fields, *, complete: bool) -> None:
        self.whole: dict[str, None] = {}
        """In a round of changes: the complete users, which are new or restored."""
        self.unreadable = Unreadable()
        self._fields = fields
        self._complete = complete
        self._seen: set[int] = set()

    def __len__(self) -> int:
        return len(self._seen)

    def __contains__(self, identifier: str) -> bool:
        return hash(identifier) in self._seen

    def take(self, found: Iterable[Object]) -> Page:
        """Convert a page of Graph to a page of items. Only hashes of the ids are kept: if two users have the same hash,
        the second becomes a change of an unknown record, and the next pull is complete."""
        with reporting_unknown_forms():
            return list(self._items(found))

    def _items(self, found: Iterable[Object]) -> Iterator[Record | Patch | Unread | Gone]:
        seen, complete, read = self._seen, self._complete, self._fields.attributes
        for user in found:
            identifier = user.pop("id")
            if type(identifier) is not str:
                raise TypeError(f"id {identifier!r}")
            key = hash(identifier)
            repeated = key in seen
            if "@removed" in user:
                if repeated or not complete:
                    yield Gone(Kind.USER, identifier)
                seen.discard(key)
                self.whole.pop(identifier, None)
                continue
            seen.add(key)
            whole = not repeated if complete else BORN in user
            if whole and not complete:
                self.whole[identifier] = None
            if malformed := self._fields.malformed(user, whole=whole):
                yield self.unreadable.user(identifier, user, malformed)
            elif whole:
                yield Record(Kind.USER, identifier, present(read(user)))
            elif attributes := read(user):
                yield Patch(Kind.USER, identifier, attributes)


class _Group(Struct):
    """The merged items of a group. ``left`` and ``joined`` are disjoint; ``joined`` may have duplicates. ``malformed``:
    a member has no id."""

    attributes: dict[str, Value] = {}
    whole: bool = False
    gone: bool = False
    hidden: bool = False
    malformed: bool = False
    joined: list[str] = []
    left: set[str] = set()


class GroupRound:
    """Groups, kept until the end of the round, when all items of a group have arrived. Each member id is stored
    once."""

    def __init__(self, fields: Fields, *, complete: bool) -> None:
        self.item = group_type(fields.asked)
        """The type to which pages are decoded."""
        self.restored: list[str] = []
        """Groups that were deleted at the start of the round, and existed at its end."""
        self.others = Counter[str]()
        """Members that are neither users nor groups, by type."""
        self.outside = 0
        """Number of memberships of users outside the options."""
        self._fields = fields
        self._complete = complete
        self._groups: dict[str, _Group] = {}
        self._ids: dict[str, str] = {}

    def __len__(self) -> int:
        return sum(not group.gone for group in self._groups.values())

    def __contains__(self, identifier: str) -> bool:
        return identifier in self._groups and not self._groups[identifier].gone

    def reads(self, identifier: str) -> bool:
        """Whether the group exists and its members are readable."""
        return identifier in self and not self._groups[identifier].malformed

    @property
    def whole(self) -> list[str]:
        """In a round of changes: the complete groups, which are new or restored."""
        return [identifier for identifier, group in self._groups.items() if group.whole and not group.malformed]

    @property
    def malformed(self) -> bool:
        """Whether a group has unreadable members."""
        return any(group.malformed for group in self._groups.values())

    @property
    def hidden(self) -> int:
        """Number of groups with hidden membership and without members in the round."""
        return sum(group.hidden and not group.joined for group in self._groups.values())

    def take(self, found: Iterable[Group]) -> None:
        """Add a page of Graph: groups of the type :attr:`item`."""
        with reporting_unknown_forms():
            for item in found:
                group = self._groups.get(item.id)
                if item.removed is not None:
                    self._groups[item.id] = _Group(gone=True)
                    continue
                if group is None or group.gone:
                    if group is not None:
                        self.restored.append(item.id)
                    group = self._groups[item.id] = _Group()
                if item.members:
                    self._move(group, item.members)
                properties = item.properties(self._fields.asked)
                group.whole = group.whole or BORN in properties
                group.hidden = group.hidden or properties.get(VISIBILITY) == "HiddenMembership"
                group.attributes |= self._fields.attributes(properties)

    def wholes(self) -> Page:
        """All groups' members in one page, each replacing the known ones."""
        return [
            _unread(identifier) if group.malformed else Members(identifier, frozenset(group.joined), whole=True)
            for identifier, group in self._groups.items()
            if not group.gone
        ]

    def pages(self, scope: Container[str] | None = None) -> Iterator[Page]:
        """All items in pages. ``scope``: the users that are read; None: all."""
        page: list[Record | Patch | Unread | Members | Gone] = []
        edges = 0
        for identifier, group in self._groups.items():
            if group.gone:
                if not self._complete:
                    page.append(Gone(Kind.GROUP, identifier))
                continue
            if group.malformed:
                page.append(_unread(identifier))
                continue
            if self._complete or group.whole:
                page.append(Record(Kind.GROUP, identifier, present(group.attributes)))
            elif group.attributes:
                page.append(Patch(Kind.GROUP, identifier, group.attributes))
            if group.joined or (group.left and not self._complete):
                joined = self._within(scope, group.joined)
                edges += len(joined) + len(group.left)
                page.append(Members(identifier, joined, frozenset() if self._complete else frozenset(group.left)))
            if len(page) >= ITEMS or edges >= EDGES:
                yield page
                page, edges = [], 0
        if page:
            yield page

    def _within(self, scope: Container[str] | None, joined: Iterable[str]) -> frozenset[str]:
        found = frozenset(joined)
        if scope is None:
            return found
        inside = frozenset(each for each in found if each in scope or each in self)
        self.outside += len(found) - len(inside)
        return inside

    def _move(self, group: _Group, members: Sequence[End]) -> None:
        if not all(map(_ID, members)):
            group.malformed = True
            return
        if not any(map(_REMOVED, members)) and _READ.issuperset(map(_TYPE, members)):
            # The fast path for nearly all members: a pull of 500,000 memberships spends its time here.
            ids = list(map(_ID, members))
            group.joined.extend(map(self._ids.setdefault, ids, ids))
            group.left.difference_update(ids)
            return
        joined = dict.fromkeys(group.joined)
        for member in members:
            if member.type in OTHER_TYPES:
                self.others[member.type.rpartition(".")[2]] += member.removed is None
            elif member.removed is None:
                joined[self._ids.setdefault(member.id, member.id)] = None
                group.left.discard(member.id)
            else:
                joined.pop(member.id, None)
                group.left.add(member.id)
        group.joined = list(joined)


def _unread(group: str) -> Unread:
    return Unread(Kind.GROUP, group, MALFORMED_MEMBERS)


_READ = frozenset({USER_TYPE, GROUP_TYPE, ""})
"""The types of nearly all members; Graph may leave the type out."""
_ID, _TYPE, _REMOVED = attrgetter("id"), attrgetter("type"), attrgetter("removed")
