"""An entry that moves during a pull, from a base still unread to one already read, does not count as deleted."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("ldap", reason="python-ldap is not installed (the extra ldap)")

from tests.connectors.ldap.directory import Directory, Directory389, source
from tests.connectors.ldap.domain import Domain
from tests.connectors.ldap.people import READS
from tests.connectors.ldap.scripted import ScriptedServer, bound, page, root_dse
from usersyncd.plugin import Record
from usersyncd.testing import read
from usersyncd_ldap.client import Server

Subject = Directory | Directory389 | Domain
Meanwhile = Callable[[str, Callable[[], object]], None]


@pytest.fixture(params=["openldap", "389", "dirsync", "usn"])
def subject(request: pytest.FixtureRequest) -> Subject:
    """Two units that are read one after the other, with a person and a group in each."""
    found: Subject
    match request.param:
        case "openldap":
            found = request.getfixturevalue("serve")(changes="session")
        case "389":
            found = request.getfixturevalue("serve389")()
        case _:
            found = request.getfixturevalue("domain")
            found.options["strategy"] = request.param
    if not isinstance(found, Domain):
        found.reads = READS
    for unit in ("one", "two"):
        found.server.add(f"ou={unit},{found.server.base}", {"objectClass": "organizationalUnit"})
        person(found, f"ada-{unit}", unit)
        group(found, f"crew-{unit}", unit, f"ada-{unit}")
    bases = [f"ou={unit},{found.server.base}" for unit in ("one", "two")]
    found.options |= {"users": {"base": bases}, "groups": {"base": bases}}
    return found


@pytest.fixture
def meanwhile(monkeypatch: pytest.MonkeyPatch) -> Iterator[Meanwhile]:
    """``meanwhile(what, act)``: once, before the next search below the second unit for what has this in its filter,
    ``act``."""
    search = Server.search
    waiting: list[tuple[str, Callable[[], object]]] = []

    def watched(self: Server, base: str, filterstr: str, *rest: Any, **options: Any) -> Any:
        if waiting and base.startswith("ou=two,") and waiting[0][0] in filterstr.lower():
            waiting.pop()[1]()
        return search(self, base, filterstr, *rest, **options)

    monkeypatch.setattr(Server, "search", watched)
    yield lambda what, act: waiting.append((what, act))
    assert not waiting


def named(subject: Subject) -> str:
    return "CN" if isinstance(subject, Domain) else "uid"


def person(subject: Subject, name: str, unit: str) -> None:
    dn = f"{named(subject)}={name},ou={unit},{subject.server.base}"
    if isinstance(subject, Domain):
        subject.server.add(dn, {"objectClass": "user", "sAMAccountName": name, "userAccountControl": "544"})
    else:
        subject.server.add(dn, {"objectClass": "inetOrgPerson", "cn": name, "sn": name})


def group(subject: Subject, name: str, unit: str, member: str) -> None:
    kind = {"objectClass": "groupOfNames"}
    if isinstance(subject, Domain):
        kind = {"objectClass": "group", "sAMAccountName": name}
    who = f"{named(subject)}={member},ou={unit},{subject.server.base}"
    subject.server.add(f"cn={name},ou={unit},{subject.server.base}", {**kind, "member": who})


def move(subject: Subject, rdn: str, start: str = "two", end: str = "one") -> None:
    subject.server.rename(f"{rdn},ou={start},{subject.server.base}", rdn, f"ou={end},{subject.server.base}")


PEOPLE, GROUPS = "person", "group"
"""What the filters that find them have in them."""


async def test_an_entry_that_moves_to_an_already_read_base_stays(subject: Subject, meanwhile: Meanwhile) -> None:
    ada, two = f"{named(subject)}=ada-two", f"ou=two,{subject.server.base}"
    meanwhile(PEOPLE, lambda: move(subject, ada))
    assert (await subject.follow()).has_user("ada-two")
    move(subject, ada, "one", "two")
    await subject.follow()
    subject.server.modify(f"{ada},{two}", {"title": "Countess"})
    meanwhile(PEOPLE, lambda: move(subject, ada))
    mirror = await subject.follow()
    assert mirror.pulls == [2, 1]
    assert mirror.user("ada-two")["title"] == "Countess"


async def test_a_group_that_moves_keeps_its_members(subject: Subject, meanwhile: Meanwhile) -> None:
    crew, two = "cn=crew-two", f"ou=two,{subject.server.base}"
    meanwhile(GROUPS, lambda: move(subject, crew))
    assert (await subject.follow()).members_of("crew-two") == {"ada-two"}
    move(subject, crew, "one", "two")
    await subject.follow()
    subject.server.modify(f"{crew},{two}", {"description": "All of two"})
    meanwhile(GROUPS, lambda: move(subject, crew))
    mirror = await subject.follow()
    assert mirror.pulls == [2, 1]
    assert mirror.members_of("crew-two") == {"ada-two"}


@pytest.mark.parametrize("subject", ["openldap", "389"], indirect=True)
async def test_a_member_is_found_under_a_name_that_is_new(subject: Subject, meanwhile: Meanwhile) -> None:
    """She is read below the first unit, moves to the second one, and is read there; the group knows the new name."""

    def follow() -> None:
        move(subject, "uid=ada-two")
        dn = f"uid=ada-two,ou=one,{subject.server.base}"
        subject.server.modify(f"cn=crew-one,ou=one,{subject.server.base}", {"member": dn})

    meanwhile(PEOPLE, follow)
    assert (await subject.follow()).members_of("crew-one") == {"ada-two"}


async def test_an_entry_on_no_page_of_a_search_stays() -> None:
    """A server makes each page of what is there then (RFC 2696 promises no more)."""
    script = [
        bound, root_dse,
        page(["ada"], cookie=b"more"), page(["eve"], cookie=b""),
        page(["ada", "eve", "joe"], cookie=b""),  # the ids once more
        page(["joe"], cookie=b""),  # who was missed
        page([], cookie=b""),  # groups
    ]  # fmt: skip
    with ScriptedServer(*script) as server:
        pull = await read(source({"url": server.url, "base": "dc=acme"}, Path(), READS))
    assert [item.attributes["userName"] for item in pull.items if isinstance(item, Record)] == ["ada", "eve", "joe"]
