"""Reads the current state of the entries that a change feed named.

A feed reports that an entry changed, not whether it is still in scope: it may have moved, or may no longer match the
filter. So the entries are read again, as in a complete pull; those that are not found count as deleted.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from msgspec import Struct, field

from usersyncd.plugin import Gone, Kind, Members, Page, Record, Unread
from usersyncd_ldap.adentries import AdEntryReader
from usersyncd_ldap.entries import ITEMS
from usersyncd_ldap.session import CHUNK, KINDS, Session


class ChangeHint(Struct):
    """A feed's report about one entry: whether all members must be read, or else which were added and removed."""

    whole: bool = False
    added: set[str] = field(default_factory=set)
    removed: set[str] = field(default_factory=set)


def current_pages(session: Session, hints: Mapping[str, ChangeHint]) -> Iterator[Page]:
    """The current state of the entries with hints. Raises SourceError when they cannot be read."""
    left = dict.fromkeys(hints)
    primary: dict[str, frozenset[str]] = {}
    for kind in KINDS:
        wanted = list(left)
        whole = [each for each in wanted if kind is Kind.USER or hints[each].whole]
        parts = [each for each in wanted if kind is Kind.GROUP and not hints[each].whole]
        for ids, members in ((whole, True), (parts, False)):
            for page in _read(session, kind, ids, members=members):
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
        # A feed does not report the kind of a deleted entry: one of the two is in the snapshot.
        yield [Gone(kind, each) for each in gone[at : at + ITEMS] for kind in KINDS]


def _difference(group: str, hint: ChangeHint, primary: frozenset[str]) -> Members:
    """The changed members of a group. When it becomes a user's primary group, the feed reports a removed link, but the
    user stays a member."""
    return Members(group, frozenset(hint.added) | primary, frozenset(hint.removed) - primary)


def _read(session: Session, kind: Kind, ids: Sequence[str], *, members: bool) -> Iterator[Page]:
    for at in range(0, len(ids), CHUNK):
        reader = session.reader(kind, members=members, whole=True)
        yield from session.pages(reader, session.by_id(ids[at : at + CHUNK]))
        if isinstance(reader, AdEntryReader) and kind is Kind.GROUP and members:
            yield from _primary_members(session, reader)


def _primary_members(session: Session, groups: AdEntryReader) -> Iterator[Page]:
    """The users whose primary group is one of these: they are members without being listed in ``member``."""
    rids = [sid.rpartition("-")[2] for sid in groups.sids if sid.startswith("S-1-5-21-")]
    if rids:
        users = session.reader(Kind.USER)
        for page in session.pages(users, f"(|{''.join(f'(primaryGroupID={rid})' for rid in rids)})"):
            yield [item for item in page if isinstance(item, Members)]
