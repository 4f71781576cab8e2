"""Complete pulls of a real OpenLDAP."""

from __future__ import annotations

import base64
from collections.abc import Callable
from contextlib import aclosing
from typing import Any, cast

import pytest

pytest.importorskip("ldap", reason="python-ldap is not installed (the extra ldap)")

from tests.connectors.ldap.directory import Directory
from tests.servers.slapd import BASE, company
from usersyncd.plugin import Done, Kind, Members

Serve = Callable[..., Directory]

PEOPLE, GROUPS = f"ou=people,{BASE}", f"ou=groups,{BASE}"


def user(rdn: str, *lines: str) -> str:
    """LDIF of a person. ``rdn`` is ASCII and as LDIF writes it."""
    return "\n".join([f"dn: {rdn},{PEOPLE}", "objectClass: inetOrgPerson", "cn: someone", "sn: one", *lines, "", ""])


def group(name: str, object_class: str, *lines: str) -> str:
    return "\n".join([f"dn: cn={name},{GROUPS}", f"objectClass: {object_class}", f"cn: {name}", *lines, "", ""])


async def test_all_records_are_read_over_many_pages(serve: Serve) -> None:
    directory = serve(*company(people=2500, groups=40, memberships=3000))
    pulled = await directory.pull(page_size=200)
    assert len(pulled.users) == 2500
    assert len(pulled.groups) == 40
    assert len(pulled.listing.edges) == 3000
    assert pulled.members("g0") == {f"u{n}" for n in range(75)}


async def test_pages_are_yielded_before_the_rest_is_read(serve: Serve) -> None:
    directory = serve(*company(people=5000, groups=0, memberships=0))
    async with aclosing(cast("Any", directory.source().pull(None))) as pages:
        first = await anext(pages)
        assert 0 < len(first) <= 1000


async def test_a_record_has_an_immutable_id_native_attributes_and_handles(serve: Serve) -> None:
    directory = serve(
        user("uid=ada", "mail: ada@acme.example", "employeenumber: 007", f"MANAGER: UID=Bob , ou=people,{BASE}"),
        user("uid=Bob"),
    )
    ada = (await directory.pull()).users["ada"]
    connection = directory.server.connect()
    ((_, entry),) = connection.search_s(f"uid=ada,{PEOPLE}", 0, attrlist=["entryUUID", "createTimestamp"])
    connection.unbind_s()
    created = entry["createTimestamp"][0].decode()
    assert ada.id == entry["entryUUID"][0].decode()
    assert ada.handles == (f"dn:uid=ada,{PEOPLE}", "uid:ada")
    assert ada.attributes["mail"] == "ada@acme.example"
    assert ada.attributes["employeeNumber"] == "007"
    assert ada.attributes["manager"] == f"dn:uid=bob,{PEOPLE}"
    assert ada.attributes["createTimestamp"] == f"{created[:4]}-{created[4:6]}-{created[6:8]}T" + (
        f"{created[8:10]}:{created[10:12]}:{created[12:14]}Z"
    )


async def test_a_rename_and_a_move_keep_the_id(serve: Serve) -> None:
    directory = serve(user("uid=ada"), f"dn: ou=left,{BASE}\nobjectClass: organizationalUnit\nou: left\n\n")
    before = (await directory.pull()).users["ada"]
    directory.server.rename(f"uid=ada,{PEOPLE}", "uid=countess", f"ou=left,{BASE}")
    after = (await directory.pull()).users["countess"]
    assert after.id == before.id
    assert after.handles == (f"dn:uid=countess,ou=left,{BASE}", "uid:countess")


async def test_a_new_user_with_an_old_name_is_another_record(serve: Serve) -> None:
    directory = serve(user("uid=ada"))
    before = (await directory.pull()).users["ada"]
    directory.server.delete(f"uid=ada,{PEOPLE}")
    directory.server.add(f"uid=ada,{PEOPLE}", {"objectClass": "inetOrgPerson", "cn": "Ada", "sn": "Two"})
    assert (await directory.pull()).users["ada"].id != before.id


async def test_every_kind_of_group_has_its_members(serve: Serve) -> None:
    directory = serve(
        user("uid=Ada"),
        user("uid=bob"),
        user(r"cn=Lovelace\, Ada \2B \"Co\"", "uid: comma"),
        group("names", "groupOfNames", f"member: UID=ADA,  ou=People,{BASE}", f"member: uid=bob,{PEOPLE}"),
        group(
            "unique", "groupOfUniqueNames", f"uniqueMember: uid=ada,{PEOPLE}#'0101'B", f"uniqueMember: uid=bob,{PEOPLE}"
        ),
        group("posix", "posixGroup", "gidNumber: 5", "memberUid: ada", "memberUid: nobody"),
        group(
            "nested",
            "groupOfNames",
            f"member: cn=posix,{GROUPS}",
            f"member: cn=Lovelace\\2C Ada \\+ \\22Co\\22,{PEOPLE}",
        ),
        group("empty", "posixGroup", "gidNumber: 6"),
        group("placeholder", "groupOfNames", "member: cn=placeholder"),
        group("nameless", "groupOfNames", "member:"),
    )
    pulled = await directory.pull()
    assert pulled.members("names") == {"Ada", "bob"}
    assert pulled.members("unique") == {"Ada", "bob"}
    assert pulled.members("posix") == {"Ada", "uid:nobody"}
    assert pulled.members("nested") == {"posix", "comma"}
    assert pulled.members("empty") == set()
    assert pulled.members("placeholder") == {"dn:cn=placeholder"}
    assert pulled.members("nameless") == set()


async def test_names_in_any_script_are_found_as_members(serve: Serve) -> None:
    names = ["Zoë Ångström", "李小龍", "Ἑλένη", "Дмитрий"]
    people = [
        f"dn:: {_b64(f'cn={name},{PEOPLE}')}\nobjectClass: inetOrgPerson\nsn: x\nuid: u{n}\n\n"
        for n, name in enumerate(names)
    ]
    members = [f"member:: {_b64(f'CN={name.upper()},{PEOPLE}')}" for name in names]
    directory = serve(*people, group("all", "groupOfNames", *members))
    assert (await directory.pull()).members("all") == {"u0", "u1", "u2", "u3"}


async def test_two_entries_whose_names_differ_in_one_letter_are_two_members(serve: Serve) -> None:
    names = ["Anna Weiss", "Anna Weiß"]
    people = [
        f"dn:: {_b64(f'cn={name},{PEOPLE}')}\nobjectClass: inetOrgPerson\nsn: x\nuid: u{n}\n\n"
        for n, name in enumerate(names)
    ]
    groups = [group(f"g{n}", "groupOfNames", f"member:: {_b64(f'cn={name},{PEOPLE}')}") for n, name in enumerate(names)]
    pulled = await serve(*people, *groups).pull()
    assert [pulled.members("g0"), pulled.members("g1")] == [{"u0"}, {"u1"}]


@pytest.mark.parametrize("rdn", ["cn=new", "CN=New", "cn=new+description=x"])
async def test_the_value_in_the_dn_comes_first_of_several(serve: Serve, rdn: str) -> None:
    more = ["description: x", "cn: a name from before", "cn: new", "cn: zoo", "member: cn=nobody"]
    entry = "\n".join([f"dn: {rdn},{GROUPS}", "objectClass: groupOfNames", *more, "", ""])
    person = user("uid=ada", "uid: a name from before", "uid: zoo")
    pulled = await serve(entry, person).pull()
    one, ada = (next(record for record in pulled.records if record.kind is kind) for kind in (Kind.GROUP, Kind.USER))
    assert [cast("Any", one.attributes["cn"])[0], cast("Any", ada.attributes["uid"])[0]] == ["new", "ada"]


def _b64(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


async def test_a_group_of_twenty_thousand_has_all_members(serve: Serve) -> None:
    directory = serve(*company(people=20_000, groups=1, memberships=20_000))
    pulled = await directory.pull(reads={Kind.USER: frozenset({"uid"}), Kind.GROUP: frozenset({"cn"})})
    assert len(pulled.members("g0")) == 20_000


async def test_large_groups_do_not_share_a_page(serve: Serve) -> None:
    directory = serve(*company(people=10_000, groups=20, memberships=200_000))
    async for page in directory.source().pull(None):
        if not isinstance(page, Done):
            assert sum(len(item.added) for item in page if isinstance(item, Members)) <= 60_000


async def test_only_what_the_rules_read_is_requested(serve: Serve) -> None:
    directory = serve(
        user("uid=ada", "mail: a@acme.example", "title: Countess", "cn;lang-de: Gräfin"),
        group("all", "groupOfNames", f"member: uid=ada,{PEOPLE}", "description: everyone"),
    )
    pulled = await directory.pull(reads={Kind.USER: frozenset({"MAIL", "cn"}), Kind.GROUP: frozenset({"description"})})
    ada, everyone = pulled.records
    assert ada.attributes == {"MAIL": "a@acme.example", "cn": "someone"}
    assert ada.handles == (f"dn:uid=ada,{PEOPLE}", "uid:ada")
    assert everyone.attributes == {"description": "everyone"}
    assert {member for _, member in pulled.listing.edges} == {f"dn:uid=ada,{PEOPLE}"}


async def test_two_spellings_of_one_attribute_are_both_served(serve: Serve) -> None:
    directory = serve(user("uid=ada", "employeeNumber: 7"))
    pulled = await directory.pull(reads={Kind.USER: frozenset({"employeeNumber", "employeenumber", "UID"})})
    assert pulled.records[0].attributes == {"employeeNumber": "7", "employeenumber": "7", "UID": "ada"}
    assert pulled.records[0].handles[1] == "uid:ada"


async def test_several_values_are_a_list(serve: Serve) -> None:
    directory = serve(user("uid=ada", "uid: countess", "mail: a@acme.example", "mail: ada@acme.example"))
    pulled = await directory.pull()
    ada = pulled.records[0]
    assert ada.attributes["mail"] == ["a@acme.example", "ada@acme.example"]
    assert set(ada.handles) == {f"dn:uid=ada,{PEOPLE}", "uid:ada", "uid:countess"}


async def test_bytes_and_passwords_are_read_only_when_a_rule_names_them(serve: Serve) -> None:
    photo = b"\xff\xd8\xff\xe0 a photo"
    directory = serve(
        user("uid=ada", f"jpegPhoto:: {base64.b64encode(photo).decode()}", "userPassword: hush", "audio:: AAE="),
        database="access to * by * read",
    )
    ada = (await directory.pull()).users["ada"]
    assert not {"jpegPhoto", "audio", "userPassword"} & ada.attributes.keys()
    pulled = await directory.pull(reads={Kind.USER: frozenset({"jpegPhoto", "userPassword", "uid"})})
    assert base64.b64decode(str(pulled.users["ada"].attributes["jpegPhoto"])) == photo
    assert pulled.users["ada"].attributes["userPassword"] == "hush"


async def test_base_and_filter_select_the_records(serve: Serve) -> None:
    directory = serve(
        user("uid=ada", "employeeType: employee"),
        user("uid=bob", "employeeType: robot"),
        group("all", "posixGroup", "gidNumber: 1"),
    )
    pulled = await directory.pull(users={"base": PEOPLE, "filter": "(employeeType=employee)"}, groups={"base": PEOPLE})
    assert set(pulled.users) == {"ada"}
    assert pulled.groups == {}


async def test_people_without_uid_have_one_handle(serve: Serve) -> None:
    directory = serve(user("cn=someone"))
    assert [record.handles for record in (await directory.pull()).records] == [(f"dn:cn=someone,{PEOPLE}",)]


async def test_references_to_other_servers_are_counted_not_followed(serve: Serve) -> None:
    elsewhere = f"dn: ou=elsewhere,{BASE}\nobjectClass: referral\nobjectClass: extensibleObject\nou: elsewhere\n"
    directory = serve(user("uid=ada"), elsewhere + "ref: ldap://127.0.0.1:1/ou=elsewhere\n\n")
    assert set((await directory.pull()).users) == {"ada"}
    warnings = [entry for entry in directory.log.entries if "other servers" in entry["event"]]
    assert [entry["count"] for entry in warnings] == [1, 1]  # once for users, once for groups
    assert "ou=elsewhere" in warnings[0]["first"]


async def test_check_describes_the_server(serve: Serve) -> None:
    lines = "\n".join(await serve(user("uid=ada")).check())
    assert "OpenLDAP" in lines
    assert f"cn=reader,{BASE}" in lines
    assert "unencrypted" in lines
    assert "1,000 entries at a time" in lines


@pytest.mark.parametrize("anonymous", [{"bind_dn": None, "password": None}])
async def test_a_directory_may_be_read_anonymously(serve: Serve, anonymous: dict[str, None]) -> None:
    directory = serve(user("uid=ada"))
    assert set((await directory.pull(**anonymous)).users) == {"ada"}
    assert any("anonymous" in line for line in await directory.check(**anonymous))
