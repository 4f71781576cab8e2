"""What a round of a delta query says, once its pieces are put together.

Objects come in no order and may come again; a large group comes in many pieces; what changes while a round is read
comes at its end, once more. The last word counts, and what an object does not mention is as it was told before
(learn.microsoft.com/graph/delta-query-overview).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Container, Iterable, Iterator, Sequence
from operator import attrgetter

from msgspec import Struct

from usersyncd.plugin import Gone, Kind, Members, Page, Patch, Record, Unread, Value
from usersyncd_entra.faults import understood
from usersyncd_entra.fields import Fields, present
from usersyncd_entra.forms import ODD_MEMBERS, Unreadable
from usersyncd_entra.mapping import BORN, GROUP_TYPE, OTHER_TYPES, USER_TYPE, VISIBILITY
from usersyncd_entra.objects import End, Group, Object, group_type

ITEMS = 1000
"""Records and sets of members in a page."""
EDGES = 50_000
"""Memberships in a page; one group more than this, at most."""


class UserRound:
    """Users, told on as they come. ``complete``: the round lists everybody, not changes."""

    def __init__(self, fields: Fields, *, complete: bool) -> None:
        self.whole: dict[str, None] = {}
        """In a round of changes: who came whole, so is new or was restored."""
        self.unreadable = Unreadable()
        self._fields = fields
        self._complete = complete
        self._seen: set[int] = set()

    def __len__(self) -> int:
        return len(self._seen)

    def __contains__(self, identifier: str) -> bool:
        return hash(identifier) in self._seen

    def take(self, found: Iterable[Object]) -> Page:
        """A page of Graph as a page of ours. Of those who were told before only hashes are kept: should two be the
        same, the second is a change of somebody whom nobody knows, and the next pull is complete again."""
        with understood():
            return list(self._told(found))

    def _told(self, found: Iterable[Object]) -> Iterator[Record | Patch | Unread | Gone]:
        seen, complete, read = self._seen, self._complete, self._fields.attributes
        for user in found:
            identifier = user.pop("id")
            if type(identifier) is not str:
                raise TypeError(f"id {identifier!r}")
            key = hash(identifier)
            told = key in seen
            if "@removed" in user:
                if told or not complete:
                    yield Gone(Kind.USER, identifier)
                seen.discard(key)
                self.whole.pop(identifier, None)
                continue
            seen.add(key)
            whole = not told if complete else BORN in user
            if whole and not complete:
                self.whole[identifier] = None
            if odd := self._fields.odd(user, whole=whole):
                yield self.unreadable.user(identifier, user, odd)
            elif whole:
                yield Record(Kind.USER, identifier, present(read(user)))
            elif attributes := read(user):
                yield Patch(Kind.USER, identifier, attributes)


class _Group(Struct):
    """What was said of a group so far. Who ``left`` is not among those who ``joined``, who may come twice there.
    ``odd``: a member has no id."""

    attributes: dict[str, Value] = {}
    whole: bool = False
    gone: bool = False
    hidden: bool = False
    odd: bool = False
    joined: list[str] = []
    left: set[str] = set()


class GroupRound:
    """Groups, kept until the round is over: only then are a group's pieces together. Every member's id is kept once."""

    def __init__(self, fields: Fields, *, complete: bool) -> None:
        self.item = group_type(fields.asked)
        """What a page must be decoded to."""
        self.restored: list[str] = []
        """Groups that were deleted when the round began, and were there when it ended."""
        self.others = Counter[str]()
        """Members that are neither users nor groups, by type."""
        self.outside = 0
        """Memberships of users who are not to be read."""
        self._fields = fields
        self._complete = complete
        self._groups: dict[str, _Group] = {}
        self._ids: dict[str, str] = {}

    def __len__(self) -> int:
        return sum(not group.gone for group in self._groups.values())

    def __contains__(self, identifier: str) -> bool:
        return identifier in self._groups and not self._groups[identifier].gone

    def reads(self, identifier: str) -> bool:
        """Whether the group is there, and its members can be told."""
        return identifier in self and not self._groups[identifier].odd

    @property
    def whole(self) -> list[str]:
        """In a round of changes: what came whole, so is new or was restored."""
        return [identifier for identifier, group in self._groups.items() if group.whole and not group.odd]

    @property
    def odd(self) -> bool:
        """Whether a group has members that cannot be told."""
        return any(group.odd for group in self._groups.values())

    @property
    def hidden(self) -> int:
        """Groups with hidden membership whose members were not told."""
        return sum(group.hidden and not group.joined for group in self._groups.values())

    def take(self, found: Iterable[Group]) -> None:
        """Take a page of Graph in: groups of :attr:`item`."""
        with understood():
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
        """The groups' members as all that there are, in one page."""
        return [
            _unread(identifier) if group.odd else Members(identifier, frozenset(group.joined), whole=True)
            for identifier, group in self._groups.items()
            if not group.gone
        ]

    def pages(self, scope: Container[str] | None = None) -> Iterator[Page]:
        """All that was said, in pages. ``scope``: the users that are read, None for all."""
        page: list[Record | Patch | Unread | Members | Gone] = []
        edges = 0
        for identifier, group in self._groups.items():
            if group.gone:
                if not self._complete:
                    page.append(Gone(Kind.GROUP, identifier))
                continue
            if group.odd:
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
            group.odd = True
            return
        if not any(map(_REMOVED, members)) and _READ.issuperset(map(_TYPE, members)):
            # A pull of 500,000 memberships spends its time here, and nearly always they are of this kind.
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
    return Unread(Kind.GROUP, group, ODD_MEMBERS)


_READ = frozenset({USER_TYPE, GROUP_TYPE, ""})
"""The types that nearly all members have; Graph may leave it out."""
_ID, _TYPE, _REMOVED = attrgetter("id"), attrgetter("type"), attrgetter("removed")
