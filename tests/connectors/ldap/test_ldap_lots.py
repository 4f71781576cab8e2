"""Entries are converted in lots. Each becomes what it would become alone, whatever the others are like."""

from __future__ import annotations

import pytest

pytest.importorskip("ldap", reason="python-ldap is not installed (the extra ldap)")

from usersyncd.errors import SourceError
from usersyncd.plugin import Kind, Members, Record, Unread
from usersyncd_ldap.attributes import Entry
from usersyncd_ldap.entries import LOT, EntryReader
from usersyncd_ldap.mapping import RFC_4511

ENTRIES: dict[str, Entry] = {
    "uid=ada,dc=acme": {"uid": [b"ada"], "cn": [b"Ada"], "entryUUID": [b"1"], "objectClass": [b"person"]},
    "UID=Bob,dc=acme": {"UID": [b"Bob"], "mail": [b"b@acme.example", b"bob@acme.example"], "entryUUID": [b"2"]},
    "cn=Z\u00fc+uid=cy,dc=acme": {"cn": [b"old", b"Z\xc3\xbc"], "uid": [b"cy"], "entryUUID": [b"3"]},
    "uid=dan\\,x,dc=acme": {"entryUUID": [b"4"], "uid": [b"dan,x"], "mail": []},
    "uid=eve,dc=acme": {"uid": [b"eve"], "cn": [b"J\xf6rg"], "jpegPhoto": [b"\xff\xd8"], "entryUUID": [b"5"]},
    "uid=fay,dc=acme": {"cn": [b"Fay"], "entryUUID": [b"6"]},
}


def reader(kind: Kind = Kind.USER, reads: frozenset[str] | None = None) -> EntryReader:
    return EntryReader(kind, reads, RFC_4511)


def copied(entry: Entry) -> Entry:
    return {name: [*values] for name, values in entry.items()}


@pytest.mark.parametrize("reads", [None, frozenset({"mail", "cn"}), frozenset({"uid", "jpegPhoto"})])
def test_an_entry_in_a_lot_becomes_what_it_becomes_alone(reads: frozenset[str] | None) -> None:
    alone: list[object] = []
    for dn, entry in ENTRIES.items():
        one = reader(reads=reads)
        one.take([(dn, copied(entry))])
        alone += one.page()
    together = reader(reads=reads)
    together.take([(dn, copied(entry)) for dn, entry in ENTRIES.items()])
    assert together.page() == alone
    assert [item.id for item in alone if isinstance(item, Unread)] == ["6"]


def test_values_stay_with_their_attributes() -> None:
    one = reader()
    one.take([(dn, copied(entry)) for dn, entry in ENTRIES.items()])
    records = {item.id: item for item in one.page() if isinstance(item, Record)}
    assert records["2"].attributes["mail"] == ["b@acme.example", "bob@acme.example"]
    assert records["2"].handles == ("dn:uid=bob,dc=acme", "uid:bob")
    assert records["3"].attributes["cn"] == ["Z\u00fc", "old"], "the value in the DN comes first"
    assert records["3"].handles == ("dn:cn=z\u00fc+uid=cy,dc=acme", "uid:cy")
    assert records["4"].attributes["mail"] == []
    assert records["5"].attributes == {"userName": "eve", "uid": "eve", "cn": "J\udcf6rg", "entryUUID": "5"}


def test_the_entry_without_an_id_is_named_among_others() -> None:
    one = reader()
    one.take([(dn, copied(entry)) for dn, entry in ENTRIES.items()])
    one.take([("uid=gus,dc=acme", {"uid": [b"gus"]})])
    with pytest.raises(SourceError, match="the entry uid=gus,dc=acme has no entryUUID"):
        one.page()


def test_more_entries_than_a_lot_are_all_in_the_page() -> None:
    one = reader(Kind.GROUP)
    many = range(LOT * 2 + 1)
    for n in many:
        one.take([(f"cn=g{n},dc=acme", {"cn": [b"g"], "entryUUID": [b"%d" % n], "member": [b"uid=ada,dc=acme"]})])
    page = one.page()
    assert [item.id for item in page if isinstance(item, Record)] == [str(n) for n in many]
    assert {item.group for item in page if isinstance(item, Members)} == set(map(str, many))
    assert one.page() == []
