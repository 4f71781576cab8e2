"""Text that is not UTF-8: names are not given in base64, and ids and logins are not repaired."""

from __future__ import annotations

from collections.abc import Callable

import pytest

pytest.importorskip("ldap", reason="python-ldap is not installed (the extra ldap)")

from tests.connectors.ldap.directory import Directory389
from tests.connectors.ldap.people import GROUPS, PEOPLE, person
from usersyncd.plugin import Kind, Record
from usersyncd_ldap.entries import EntryReader
from usersyncd_ldap.mapping import SCHEMAS
from usersyncd_ldap.rootdse import Product

LATIN = "J\u00f6rg".encode("latin-1")
READS = {
    Kind.USER: frozenset({"uid", "displayName", "manager", "seeAlso", "jpegPhoto"}),
    Kind.GROUP: frozenset({"cn", "description"}),
}


@pytest.fixture
def directory(serve389: Callable[..., Directory389]) -> Directory389:
    """A server that accepts any bytes, as old ones did."""
    found = serve389()
    found.reads = READS
    found.server.modify("cn=config", {"nsslapd-syntaxcheck": "off"})
    return found


async def test_broken_bytes_of_text_are_marked(directory: Directory389) -> None:
    ada = person(directory, "ada")
    directory.server.modify(ada, {"displayName": LATIN, "manager": b"cn=" + LATIN, "jpegPhoto": b"\xff\xd8"})
    directory.server.add(f"cn=g,{GROUPS}", {"objectClass": "groupOfNames", "cn": "g", "description": [LATIN, b"x"]})
    mirror = await directory.follow()
    user, group = (next(each for (of, _), each in mirror.records.items() if of is kind) for kind in Kind)
    assert user["displayName"] == "J\udcf6rg"
    assert user["manager"] == "dn:cn=j\udcf6rg"
    assert user["jpegPhoto"] == "/9g="
    assert sorted(group["description"]) == ["J\udcf6rg", "x"]  # type: ignore[arg-type]


def test_a_login_keeps_its_bytes() -> None:
    reader = EntryReader(Kind.USER, READS[Kind.USER], SCHEMAS[Product.DS389])
    reader.take([(f"cn=ada,{PEOPLE}", {"uid": [LATIN], "nsUniqueId": [b"1-2"]})])
    assert reader.page() == [Record(Kind.USER, "1-2", {"uid": "J\udcf6rg"}, (f"dn:cn=ada,{PEOPLE}", "uid:j\udcf6rg"))]


def test_bytes_of_an_attribute_that_nobody_knows_are_given_in_base64() -> None:
    reader = EntryReader(Kind.USER, frozenset({"badge"}), SCHEMAS[Product.DS389])
    reader.take([(f"cn=ada,{PEOPLE}", {"badge": [b"\xff"], "cn": [b"\xff"], "nsUniqueId": [b"1-2"]})])
    (record,) = reader.page()
    assert isinstance(record, Record)
    assert record.attributes == {"badge": "/w=="}
