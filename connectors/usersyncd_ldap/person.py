"""Reads one user and the user's groups, as a pull reads them: with the same bases, filters and readers."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from ldap.filter import escape_filter_chars
from msgspec import Struct

from usersyncd.errors import AmbiguousPersonError, SourceError, WholePullError
from usersyncd.plugin import Kind, Listed, Members, Person, Record, Unread
from usersyncd_ldap import ad
from usersyncd_ldap import dn as dns
from usersyncd_ldap.choice import COMPLETE, choose, strategy_of_cursor
from usersyncd_ldap.cursor import StaleError, decoded
from usersyncd_ldap.options import LdapOptions
from usersyncd_ldap.session import CHUNK, Session

_is_id = re.compile(r"[0-9a-fA-F]{8}((-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}|(-[0-9a-fA-F]{8}){3})").fullmatch
"""A UUID, or the nsUniqueId of 389 Directory Server."""


class _Found(Struct, frozen=True):
    """The names of an entry, as the server spells them."""

    dn: str
    uids: Sequence[str]


class PersonReader:
    """Reads single users. ``last``: the cursor of the last pull; None: it had none. Raises WholePullError if the last
    pull read the directory in another way."""

    def __init__(self, session: Session, options: LdapOptions, last: str | None) -> None:
        self._session = session
        session.never = _never(session, options, last)

    def person(self, name: str, listed: Listed) -> Person | None:
        """The user with this id, user name or email; None if there is none, or the scope leaves the user out. Raises
        AmbiguousPersonError, SourceError."""
        for condition in self._conditions(name):
            if found := self._found(condition):
                break
        else:
            self._verify_visible(name)
            return None
        if len(found) > 1:
            raise AmbiguousPersonError(
                f"{len(found)} users have the id, user name or email “{name}”: {', '.join(sorted(found))}",
                "ask for one of these ids",
            )
        [(key, names)] = found.items()
        return self._read(key, names, listed)

    def _conditions(self, name: str) -> Iterator[str]:
        """The filters that find the user: the id comes first."""
        if _is_id(name):
            yield self._session.by_id([name])
        schema, text = self._session.schema, escape_filter_chars(name)
        logins = [schema.names["userName"], *(["userPrincipalName"] if self._session.is_ad else [])]
        yield f"(|{''.join(f'({attribute}={text})' for attribute in (*logins, 'mail'))})"

    def _found(self, condition: str) -> dict[str, _Found]:
        """The users that match a filter, by id."""
        session, found = self._session, dict[str, _Found]()
        asked = ["1.1"] if session.is_ad else [session.schema.key, "uid"]
        for dn, entry in session.find(Kind.USER, condition, asked):
            uids = [
                uid.decode(errors="replace") for name, some in entry.items() if name.lower() == "uid" for uid in some
            ]
            found[session.name_of(dn, entry)[0]] = _Found(ad.plain(dn), uids)
        return found

    def _verify_visible(self, name: str) -> None:
        """Raises SourceError if the account sees no user at all: an account that lost its rights finds nobody, and this
        must not delete the person."""
        session = self._session
        scope = session.scopes[Kind.USER]
        if not any(session.server.shows(base, scope.filter, "objectClass") for base in scope.bases):
            raise SourceError(
                f"{session.server.url}: no user with the name “{name}”, and no other user either, is found below "
                f"{' and '.join(scope.bases)}",
                "check the rights of usersyncd's account; if the directory is really empty, pull it as a whole",
            )

    def _read(self, key: str, found: _Found, listed: Listed) -> Person:
        session, groups = self._session, dict[str, frozenset[str]]()
        record: Record | Unread | None = None
        for page in session.pages(session.reader(Kind.USER), session.by_id([key])):
            for item in page:
                if isinstance(item, Members):  # Active Directory: the primary group
                    groups[item.group] = item.added
                elif isinstance(item, Record | Unread):
                    record = item
        if record is None:
            raise _moves(found.dn)
        if isinstance(record, Unread):
            return Person(record)
        if not session.is_ad and "dn:" + dns.normal(found.dn) not in record.handles:
            raise _moves(found.dn)
        direct = self._by_link(found.dn, key) if session.is_ad else self._by_members(found, record, listed)
        return Person(record, {**direct, **groups})

    def _by_link(self, dn: str, key: str) -> dict[str, frozenset[str]]:
        """The groups of Active Directory, whose links refer to the object and not to a name."""
        found = self._session.find(Kind.GROUP, f"(member={escape_filter_chars(dn)})", ["1.1"])
        return {ad.guid_and_sid(group)[0]: frozenset({key}) for group, _ in found}

    def _by_members(self, found: _Found, record: Record, listed: Listed) -> dict[str, frozenset[str]]:
        """The groups of other servers. Their members are read as in a pull, because servers and pulls do not compare
        all names alike, such as the case of memberUid; also those of the groups that listed the user, and of all
        dynamic groups, whose members change without a change of the group."""
        dn, uids = escape_filter_chars(found.dn), map(escape_filter_chars, found.uids)
        # Servers compare memberUid with its case, pulls without it; one that does not know the other rule ignores it.
        naming = "".join(f"(memberUid={uid})(memberUid:caseIgnoreIA5Match:={uid})" for uid in uids)
        condition = f"(member={dn})(uniqueMember={dn}){naming}{self._session.schema.dynamic}"
        names, known = frozenset((record.id, *record.handles)), list(listed)
        groups = self._members(f"(|{condition})", names, listed)
        for at in range(0, len(known), CHUNK):
            groups.update(self._members(self._session.by_id(known[at : at + CHUNK]), names, listed))
        return groups

    def _members(self, condition: str, names: frozenset[str], listed: Listed) -> dict[str, frozenset[str]]:
        """The groups that match a filter and list the user. One that cannot be read keeps the names of ``listed``."""
        session, groups = self._session, dict[str, frozenset[str]]()
        for page in session.pages(session.reader(Kind.GROUP), condition):
            for item in page:
                if isinstance(item, Members) and (by := names & item.added):
                    groups[item.group] = by
                elif isinstance(item, Unread) and item.id in listed:
                    groups[item.id] = listed[item.id]
        return groups


def _never(session: Session, options: LdapOptions, last: str | None) -> frozenset[str]:
    """The attributes that the last pull did not read, because its strategy does not keep them up to date."""
    if last is None:
        strategy = choose(session, options).strategy
    else:
        try:
            name = decoded(last, session.scope_fingerprint).strategy
        except StaleError as error:
            raise WholePullError(f"{session.server.url}: {error}", "pull the whole directory") from error
        strategy = None if name == COMPLETE else strategy_of_cursor(session, options, name)
        if strategy is None and name != COMPLETE:
            raise WholePullError(
                f"{session.server.url}: the strategy {name} of the last pull is no longer used",
                "pull the whole directory",
            )
    return strategy.never if strategy else frozenset()


def _moves(dn: str) -> SourceError:
    return SourceError(f"the entry {dn} was moved or deleted while it was read", "ask again")
