"""What a round of a delta query says, once its pieces are put together.

Objects come in no order and may come again; a large group comes in many pieces; what changes while a round is read
comes at its end, once more. The last word counts, and what an object does not mention is as it was told before
(learn.microsoft.com/graph/delta-query-overview).
"""

from __future__ import annotations

from array import array
from collections import Counter
from collections.abc import Container, Iterable, Iterator

from msgspec import Struct, field

from usersyncd.plugin import Gone, Kind, Members, Page, Patch, Record, Value
from usersyncd_entra.faults import understood
from usersyncd_entra.fields import Fields, Object, present
from usersyncd_entra.mapping import BORN, GROUP_TYPE, USER_TYPE, VISIBILITY

ITEMS = 1000
"""Records and sets of members in a page."""
EDGES = 50_000
"""Memberships in a page; one group more than this, at most."""


class UserRound:
    """Users, told on as they come. ``complete``: the round lists everybody, not changes."""

    def __init__(self, fields: Fields, *, complete: bool) -> None:
        self.born: dict[str, str] = {}
        """In a round of changes: who came whole, so is new or was restored, and since when he exists."""
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

    def _told(self, found: Iterable[Object]) -> Iterator[Record | Patch | Gone]:
        for user in found:
            identifier = user.pop("id")
            key = hash(identifier)
            told = key in self._seen
            if "@removed" in user:
                if told or not self._complete:
                    yield Gone(Kind.USER, identifier)
                self._seen.discard(key)
                continue
            born = user.get(BORN)
            attributes = self._fields.attributes(user)
            whole = not told if self._complete else born is not None
            if whole:
                yield Record(Kind.USER, identifier, present(attributes))
                if not self._complete:
                    self.born[identifier] = str(born)
            elif attributes:
                yield Patch(Kind.USER, identifier, attributes)
            self._seen.add(key)


class _Group(Struct):
    """What was said of a group so far. ``moves``: who joined (the number of an id) or left (its negative), in order."""

    attributes: dict[str, Value] = {}
    born: str = ""
    gone: bool = False
    hidden: bool = False
    moves: array[int] = field(default_factory=lambda: array("i"))


class GroupRound:
    """Groups, kept until the round is over: only then are a group's pieces together.

    An edge takes four bytes, and every member's id is kept once.
    """

    def __init__(self, fields: Fields, *, complete: bool) -> None:
        self.others = Counter[str]()
        """Members that are neither users nor groups, by type."""
        self.outside = 0
        """Memberships of users who are not to be read."""
        self._fields = fields
        self._complete = complete
        self._groups: dict[str, _Group] = {}
        self._numbers: dict[str, int] = {}

    def __len__(self) -> int:
        return sum(not group.gone for group in self._groups.values())

    def __contains__(self, identifier: str) -> bool:
        return identifier in self._groups and not self._groups[identifier].gone

    @property
    def born(self) -> dict[str, str]:
        """In a round of changes: what came whole, so is new or was restored, and since when it exists."""
        return {identifier: group.born for identifier, group in self._groups.items() if group.born}

    @property
    def hidden(self) -> int:
        """Groups with hidden membership whose members were not told."""
        return sum(group.hidden and not group.moves for group in self._groups.values())

    def take(self, found: Iterable[Object]) -> None:
        """Take a page of Graph in."""
        with understood():
            self._take(found)

    def _take(self, found: Iterable[Object]) -> None:
        for item in found:
            identifier = item.pop("id")
            group = self._groups.get(identifier)
            if "@removed" in item:
                self._groups[identifier] = _Group(gone=True)
                continue
            if group is None or group.gone:
                group = self._groups[identifier] = _Group()
            if members := item.pop("members@delta", None):
                self._move(group.moves, members)
            group.born = group.born or item.get(BORN) or ""
            group.hidden = group.hidden or item.get(VISIBILITY) == "HiddenMembership"
            group.attributes |= self._fields.attributes(item)

    def pages(self, scope: Container[str] | None = None) -> Iterator[Page]:
        """All that was said, in pages. ``scope``: the users that are read, None for all."""
        ids = ["", *self._numbers]
        page: list[Record | Patch | Members | Gone] = []
        edges = 0
        for identifier, group in self._groups.items():
            if group.gone:
                if not self._complete:
                    page.append(Gone(Kind.GROUP, identifier))
                continue
            if self._complete or group.born:
                page.append(Record(Kind.GROUP, identifier, present(group.attributes)))
            elif group.attributes:
                page.append(Patch(Kind.GROUP, identifier, group.attributes))
            if group.moves:
                joined, left = _ends(group.moves, ids)
                if scope is not None:
                    joined, listed = frozenset(each for each in joined if each in scope or each in self), len(joined)
                    self.outside += listed - len(joined)
                edges += len(joined) + len(left)
                page.append(Members(identifier, joined, frozenset() if self._complete else left))
            if len(page) >= ITEMS or edges >= EDGES:
                yield page
                page, edges = [], 0
        if page:
            yield page

    def _move(self, moves: array[int], members: Iterable[Object]) -> None:
        numbers = self._numbers
        for member in members:
            kind = member.get("@odata.type", USER_TYPE)
            if kind not in (USER_TYPE, GROUP_TYPE):
                self.others[kind.rpartition(".")[2]] += "@removed" not in member
                continue
            identifier = member["id"]
            number = numbers.get(identifier)
            if number is None:
                number = numbers[identifier] = len(numbers) + 1
            moves.append(-number if "@removed" in member else number)


def _ends(moves: array[int], ids: list[str]) -> tuple[frozenset[str], frozenset[str]]:
    """Who joined and who left, by the last word about each."""
    if min(moves) > 0:
        return frozenset(map(ids.__getitem__, moves)), frozenset()
    last = {abs(number): number > 0 for number in moves}
    joined = frozenset(ids[number] for number, there in last.items() if there)
    return joined, frozenset(ids[number] for number, there in last.items() if not there)
