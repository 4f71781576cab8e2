"""An entry whose required attribute the account may not read fails by name, and stays as it was."""

from __future__ import annotations

from collections.abc import Callable

import pytest

pytest.importorskip("ldap", reason="python-ldap is not installed (the extra ldap)")

from tests.connectors.ldap.directory import Directory, Directory389
from tests.connectors.ldap.people import GROUPS, PEOPLE, READS, person
from tests.servers.slapd import READER
from usersyncd.plugin import Kind, Members, Record, Unread
from usersyncd.testing import read
from usersyncd_ldap import dn as dns
from usersyncd_ldap.hidden import HiddenAttributes

Serve = Callable[..., Directory]


def hiding(*rules: tuple[str, str]) -> str:
    """Lines of slapd.conf that hide attributes of entries from the reader."""
    return "\n".join(
        f'access to dn.exact="{dn}" attrs={names} by dn.exact="{READER}" none by * read' for dn, names in rules
    )


def group(directory: Directory | Directory389, name: str, kind: str = "groupOfNames", **attributes: str) -> str:
    dn = f"cn={name},{GROUPS}"
    directory.server.add(dn, {"objectClass": kind, "cn": name, **attributes})
    return dn


async def unread(directory: Directory | Directory389) -> dict[str, str]:
    """The reason for each unread record; no other item may contain it."""
    items = list((await read(directory.source(reads=READS))).items)
    found = {item.id: item.why for item in items if isinstance(item, Unread)}
    yielded = {item.id for item in items if isinstance(item, Record)}
    yielded |= {item.group for item in items if isinstance(item, Members)}
    assert not yielded & set(found)
    return found


ADA = f"uid=ada,{PEOPLE}"
MEMBER = {"groupOfNames": "member", "groupOfUniqueNames": "uniqueMember"}


@pytest.mark.parametrize("kind", MEMBER)
@pytest.mark.parametrize("changes", ["", "present"])
async def test_members_that_a_group_must_have(serve: Serve, kind: str, changes: str) -> None:
    directory = serve(changes=changes, database=hiding((f"cn=secret,{GROUPS}", MEMBER[kind])))
    for name in ("secret", "open"):
        group(directory, name, kind, **{MEMBER[kind]: ADA})
    [why] = (await unread(directory)).values()
    assert why.startswith(f"the directory hides {MEMBER[kind]} of cn=secret,{GROUPS}\n  → grant"), why


async def test_a_group_that_may_be_empty(serve: Serve) -> None:
    directory = serve(database=hiding((f"cn=team,{GROUPS}", "memberUid")))
    group(directory, "team", "posixGroup", gidNumber="5", memberUid="ada")
    assert not await unread(directory)


async def test_389_lets_a_group_be_empty(serve389: Callable[..., Directory389]) -> None:
    directory = serve389()
    group(directory, "empty")
    person(directory, "ada")
    assert not await unread(directory)


async def test_the_name_in_the_entry_s_own_dn(serve: Serve) -> None:
    directory = serve(database=hiding((ADA, "uid"), (f"cn=team,{GROUPS}", "cn")))
    person(directory, "ada")
    person(directory, "bob")
    group(directory, "team", member=ADA)
    assert sorted(why.partition("\n")[0] for why in (await unread(directory)).values()) == [
        f"the directory hides cn of cn=team,{GROUPS}",
        f"the directory hides uid of {ADA}",
    ]


@pytest.mark.parametrize("page_size", [1, 1000])
async def test_what_a_person_must_have(serve: Serve, page_size: int) -> None:
    directory = serve(database=hiding((ADA, "sn")))
    directory.options["page_size"] = page_size
    for name in ("ada", "bob", "cy"):
        person(directory, name)
    assert [why.partition("\n")[0] for why in (await unread(directory)).values()] == [
        f"the directory hides sn of {ADA}"
    ]


async def test_an_account_may_read_people_without_their_names(serve: Serve) -> None:
    directory = serve(database=f'access to attrs=sn by dn.exact="{READER}" none by * read')
    for name in ("ada", "bob"):
        person(directory, name)
    assert not await unread(directory)


async def test_a_new_hidden_entry_is_reported_once(serve: Serve) -> None:
    """By an incremental pull, which also names who is there."""
    directory = serve(changes="present", database=hiding((ADA, "uid")))
    cursor = (await directory.follow()).cursor
    person(directory, "ada")
    items = list((await read(directory.source(), cursor)).items)
    [ada] = [item for item in items if getattr(item, "kind", None) is Kind.USER]
    assert isinstance(ada, Unread)


async def test_attributes_read_for_this_check_only_are_not_yielded(serve: Serve) -> None:
    directory = serve()
    group(directory, "team", member=ADA)
    items = (await read(directory.source(reads={**READS, Kind.GROUP: frozenset({"cn"})}))).items
    assert [item.attributes for item in items if isinstance(item, Record)] == [{"cn": "team"}]


@pytest.mark.parametrize(
    ("dn", "names"),
    [
        ("uid=ada,dc=acme", ["uid"]),
        ("UID = ada", ["uid"]),
        ("cn=Ada+uid=ada,dc=acme", ["cn", "uid"]),
        ("cn=a\\+b\\,c,dc=acme", ["cn"]),
        ("2.5.4.3=Ada,dc=acme", ["cn"]),
        ("", [""]),
    ],
)
def test_attributes_that_name_an_entry(dn: str, names: list[str]) -> None:
    assert sorted(dns.own_attributes(dn)) == names


@pytest.mark.parametrize("shown", ["cn", "CN", "cn;lang-de"])
def test_a_name_is_shown_in_any_spelling_and_with_options(shown: str) -> None:
    certain = HiddenAttributes((), {"cn"}, (), {})
    assert certain.hidden("cn=Ada,dc=acme", {shown: [b"Ada"]}) is None
    assert certain.hidden("cn=Ada,dc=acme", {"uid": [b"ada"]}) == "cn"
    assert certain.hidden("l=Ada,dc=acme", {"uid": [b"ada"]}) is None, "nobody reads it"
