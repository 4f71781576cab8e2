"""From ids that a change feed named to what is true of them now.

A feed tells that something happened to an entry, not whether it is still one of those that are read: it may have moved
away, or a filter may no longer fit it. So the entries are read again, whole, as a complete reading would find them;
those that it would not find are gone.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from msgspec import Struct, field

from usersyncd.plugin import Gone, Kind, Members, Page, Record, Unread
from usersyncd_ldap.adentries import AdEntryReader
from usersyncd_ldap.entries import ITEMS
from usersyncd_ldap.reading import CHUNK, KINDS, Reading


class Hint(Struct):
    """What a feed told of one entry: whether members must be read anew, or else which were added and removed."""

    whole: bool = False
    added: set[str] = field(default_factory=set)
    removed: set[str] = field(default_factory=set)


def changed(reading: Reading, hints: Mapping[str, Hint]) -> Iterator[Page]:
    """What is true now of the entries that have hints. Raises SourceError when they could not be read."""
    left = dict.fromkeys(hints)
    primary: dict[str, frozenset[str]] = {}
    for kind in KINDS:
        wanted = list(left)
        whole = [each for each in wanted if kind is Kind.USER or hints[each].whole]
        parts = [each for each in wanted if kind is Kind.GROUP and not hints[each].whole]
        for ids, members in ((whole, True), (parts, False)):
            for page in _read(reading, kind, ids, members=members):
                yield page
                found = [item.id for item in page if isinstance(item, Record | Unread)]
                for each in found:
                    left.pop(each, None)
                if kind is Kind.USER:
                    for item in page:
                        if isinstance(item, Members):
                            primary[item.group] = primary.get(item.group, frozenset()) | item.added
                elif not members:
                    yield [_difference(each, hints[each], primary.get(each, frozenset())) for each in found]
    gone = list(left)
    for at in range(0, len(gone), ITEMS):
        # A feed does not tell of which kind an entry was: one of the two is known, the other never was.
        yield [Gone(kind, each) for each in gone[at : at + ITEMS] for kind in KINDS]


def _difference(group: str, hint: Hint, primary: frozenset[str]) -> Members:
    """What a feed told of a group's members. A group that becomes somebody's primary group loses that member's link,
    but not the member."""
    return Members(group, frozenset(hint.added) | primary, frozenset(hint.removed) - primary)


def _read(reading: Reading, kind: Kind, ids: Sequence[str], *, members: bool) -> Iterator[Page]:
    for at in range(0, len(ids), CHUNK):
        reader = reading.reader(kind, members=members, whole=True)
        yield from reading.pages(reader, reading.by_id(ids[at : at + CHUNK]))
        if isinstance(reader, AdEntryReader) and kind is Kind.GROUP and members:
            yield from _primary_members(reading, reader)


def _primary_members(reading: Reading, groups: AdEntryReader) -> Iterator[Page]:
    """The users whose primary group is one of these: in no group's members, but members all the same."""
    rids = [sid.rpartition("-")[2] for sid in groups.sids if sid.startswith("S-1-5-21-")]
    if rids:
        users = reading.reader(Kind.USER)
        for page in reading.pages(users, f"(|{''.join(f'(primaryGroupID={rid})' for rid in rids)})"):
            yield [item for item in page if isinstance(item, Members)]
