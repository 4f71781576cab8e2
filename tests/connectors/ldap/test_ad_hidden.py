"""Attributes of every user, such as userAccountControl, are absent if the account may not read them."""

from __future__ import annotations

import uuid

import pytest

pytest.importorskip("ldap", reason="python-ldap is not installed (the extra ldap)")

from tests.connectors.ldap.domain import Domain
from usersyncd.errors import SourceError
from usersyncd.plugin import Gone, Kind, Members, Record, Unread
from usersyncd.testing import read
from usersyncd_ldap.adentries import AdEntryReader
from usersyncd_ldap.mapping import SCHEMAS
from usersyncd_ldap.rootdse import Product

ACTIVE = frozenset({"active", "userName"})


def reader(reads: frozenset[str] | None = ACTIVE, kind: Kind = Kind.USER) -> AdEntryReader:
    return AdEntryReader(kind, reads, SCHEMAS[Product.ACTIVE_DIRECTORY])


def take(reading: AdEntryReader, count: int, *, hidden: int, name: str = "userAccountControl") -> list[object]:
    for number in range(count):
        shown = {"userAccountControl": [b"544"], "accountExpires": [b"0"], "primaryGroupID": [b"513"]}
        shown["cn"] = shown["sAMAccountName"] = [b"u%d" % number]
        if number < hidden:
            del shown[name]
        dn = f"<GUID={uuid.UUID(int=number)}>;<SID=S-1-5-21-1-{number}>;CN=u{number},DC=acme"
        reading.take([(dn, shown)])
    return list(reading.page())


def test_a_single_user_without_it_fails_by_name() -> None:
    reading = reader()
    items = take(reading, 20, hidden=1)
    reading.verify()
    [unread] = [item for item in items if isinstance(item, Unread)]
    assert unread.id == str(uuid.UUID(int=0))
    assert unread.why.startswith("the directory hides userAccountControl of CN=u0,DC=acme\n  → grant")
    assert sum(isinstance(item, Record) for item in items) == 19


@pytest.mark.parametrize(("count", "hidden"), [(20, 2), (1, 1), (20, 20)])
def test_a_tenth_of_the_users_without_it_discards_the_pull(count: int, hidden: int) -> None:
    reading = reader()
    take(reading, count, hidden=hidden)
    with pytest.raises(SourceError, match=f"userAccountControl is hidden on {hidden} of {count} users.*CN=u0,DC=acme"):
        reading.verify()


@pytest.mark.parametrize("reads", [None, frozenset({"active"}), frozenset({"active", "useraccountcontrol"})])
def test_a_hidden_attribute_is_found_whatever_else_the_rules_read(reads: frozenset[str] | None) -> None:
    reading = reader(reads)
    items = take(reading, 20, hidden=1)
    assert sum(isinstance(item, Unread) for item in items) == 1


def test_an_attribute_that_no_rule_reads_may_be_absent() -> None:
    reading = reader(frozenset({"email"}))
    assert all(isinstance(item, Record) for item in take(reading, 20, hidden=20))
    reading.verify()


SETS = {
    "accountExpires": "Account Restrictions",
    "sAMAccountName": "General Information",
    "primaryGroupID": "General Information",
}


@pytest.mark.parametrize("name", SETS)
def test_every_attribute_that_all_users_have_is_checked(name: str) -> None:
    reading = reader(frozenset({"active", "validUntil", "userName"}))
    [unread] = [item for item in take(reading, 20, hidden=1, name=name) if isinstance(item, Unread)]
    assert unread.why.startswith(f"the directory hides {name} of CN=u0,DC=acme\n  → grant")
    assert SETS[name] in unread.why
    reading.verify()
    take(reading, 20, hidden=20, name=name)
    with pytest.raises(SourceError, match=f"{name} is hidden on 21 of 40 users"):
        reading.verify()


async def test_a_hidden_primary_group_removes_no_member(domain: Domain) -> None:
    for number in range(8):
        domain.server.add_user(f"u{number}")
    dn = domain.server.add_user("ada")
    mirror = await domain.follow()
    assert "ada" in mirror.members_of("Domain Users")
    domain.server.hide(dn, PRIMARY_GROUP, "sync")
    listing = await read(domain.source())
    ada, everybody = mirror.id_of(Kind.USER, "ada"), mirror.id_of(Kind.GROUP, "Domain Users")
    assert [item.id for item in listing.items if isinstance(item, Unread)] == [ada]
    assert any(isinstance(item, Members) and item.group == everybody and ada in item.added for item in listing.items)


PRIMARY_GROUP = "bf967a00-0de6-11d0-a285-00aa003049e2"
"""The attribute primaryGroupID."""


def test_groups_are_not_checked_for_attributes_of_users() -> None:
    reading = reader(None, Kind.GROUP)
    assert not any(isinstance(item, Unread) for item in take(reading, 20, hidden=20))
    reading.verify()


async def test_a_changed_hidden_entry_does_not_count_as_deleted(domain: Domain) -> None:
    ada = domain.server.add_user("ada")
    cursor = (await domain.follow()).cursor
    domain.server.hide(ada, ACCOUNT_RESTRICTIONS, "sync")
    domain.server.modify(ada, {"title": "Countess"})
    items = list((await read(domain.source(), cursor)).items)
    assert [item.id for item in items if isinstance(item, Unread)] == [domain.mirror.id_of(Kind.USER, "ada")]
    assert not any(isinstance(item, Gone) for item in items)


ACCOUNT_RESTRICTIONS = "4c164200-20c0-11d0-a768-00aa006e0529"
"""The property set User-Account-Restrictions."""
