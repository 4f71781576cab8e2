"""The members of a dynamic group change without a change of the group: every pull reads them."""

from __future__ import annotations

from collections.abc import Callable

import pytest

pytest.importorskip("ldap", reason="python-ldap is not installed (the extra ldap)")

from tests.connectors.ldap.directory import Directory, Directory389
from tests.connectors.ldap.domain import Domain
from tests.connectors.ldap.people import GROUPS, PEOPLE, READS, person
from tests.servers.slapd import BASE
from usersyncd.plugin import Kind, Members, Record, Unread
from usersyncd.testing import read

ANY_GROUP = {"filter": "(|(objectClass=groupOfNames)(objectClass=groupOfURLs))"}
URL = f"ldap:///{PEOPLE}??one?(l=Berlin)"


def of_urls(directory: Directory | Directory389, name: str, *urls: str) -> None:
    directory.server.add(f"cn={name},{GROUPS}", {"objectClass": "groupOfURLs", "cn": name, "memberURL": list(urls)})


async def comes_and_goes(directory: Directory | Directory389, name: str) -> None:
    """Bob leaves Berlin, and Cy moves there: incremental pulls find both changes and no others."""
    for who, place in (("ada", "Berlin"), ("bob", "Berlin"), ("cy", "Paris")):
        person(directory, who, l=place)
    directory.server.add(
        f"cn=static,{GROUPS}", {"objectClass": "groupOfNames", "cn": "static", "member": f"uid=cy,{PEOPLE}"}
    )
    assert (await directory.follow()).members_of(name) == {"ada", "bob"}
    directory.server.modify(f"uid=bob,{PEOPLE}", {"l": "Paris"})
    assert (await directory.agrees()).members_of(name) == {"ada"}
    directory.server.modify(f"uid=cy,{PEOPLE}", {"l": "Berlin"})
    mirror = await directory.agrees()
    assert (mirror.members_of(name), mirror.members_of("static")) == ({"ada", "cy"}, {"cy"})
    pull = await mirror.follow(directory.source())
    found = [item for item in pull.items if isinstance(item, Members)]
    assert [item.group for item in found] == [mirror.id_of(Kind.GROUP, name)], "no other group is read without need"


@pytest.mark.parametrize("attributes", ["member", "member+memberOf@groupOfNames*"])
async def test_members_of_dynlist_groups_are_read(serve: Callable[..., Directory], attributes: str) -> None:
    overlay = f"overlay dynlist\ndynlist-attrset groupOfURLs memberURL {attributes}"
    directory = serve(changes="present", database=overlay)
    directory.reads, directory.options["groups"] = READS, ANY_GROUP
    of_urls(directory, "berlin", URL)
    await comes_and_goes(directory, "berlin")
    assert "dynamic groups, whose members are read in every pull: 1" in await directory.check()


async def test_members_in_another_attribute_of_dynlist_are_read(serve: Callable[..., Directory]) -> None:
    overlay = "overlay dynlist\ndynlist-attrset labeledURIObject labeledURI member"
    directory = serve(changes="present", database=overlay)
    directory.reads = READS
    directory.server.add(
        f"cn=berlin,{GROUPS}",
        {"objectClass": ["groupOfNames", "labeledURIObject"], "cn": "berlin", "labeledURI": URL, "member": ""},
    )
    await comes_and_goes(directory, "berlin")


async def test_a_member_url_that_the_server_does_not_expand_is_evaluated(serve389: Callable[..., Directory389]) -> None:
    directory = serve389()
    directory.reads, directory.options["groups"] = READS, ANY_GROUP
    of_urls(directory, "berlin", URL, f"ldap:///{BASE}??sub?(&(l=Berlin)(uid=a*))")
    await comes_and_goes(directory, "berlin")
    directory.server.delete(f"cn=berlin,{GROUPS}")
    groups = [each["cn"] for (kind, _), each in (await directory.agrees()).records.items() if kind is Kind.GROUP]
    assert groups == ["static"]


async def test_a_member_url_that_cannot_be_evaluated_fails_only_its_group(
    serve389: Callable[..., Directory389],
) -> None:
    directory = serve389()
    directory.reads, directory.options["groups"] = READS, ANY_GROUP
    person(directory, "ada", l="Berlin")
    of_urls(directory, "berlin", URL)
    of_urls(directory, "elsewhere", URL, f"ldap://other.example/{PEOPLE}??one?(l=Berlin)")
    of_urls(directory, "broken", f"ldap:///{PEOPLE}??one?(l=Berlin")
    pull = await read(directory.source())
    names = {item.id: item.attributes.get("cn") for item in pull.items if isinstance(item, Record)}
    why = {names[item.id]: item.why for item in pull.items if isinstance(item, Unread)}
    found = {names[item.group]: item.added for item in pull.items if isinstance(item, Members)}
    assert found == {"berlin": {f"dn:uid=ada,{PEOPLE}"}}
    assert why.keys() == {"elsewhere", "broken"}
    assert f"URL 2 of the dynamic group cn=elsewhere,{GROUPS} cannot be used: it refers to" in why["elsewhere"]
    assert "Bad search filter" in why["broken"]


@pytest.mark.parametrize("attribute", ["msDS-NonMembersBL", "allowedattributes"])
async def test_computed_attributes_cause_complete_pulls(domain: Domain, attribute: str) -> None:
    """Its schema says what that is: a link from elsewhere, and an attribute that is constructed."""
    reads = {Kind.USER: frozenset({"cn", attribute}), Kind.GROUP: frozenset({"cn"})}
    lines = await domain.source(reads=reads).check()
    assert f"strategy complete: the rules read {attribute} of users, whose changes the server does not report" in lines
