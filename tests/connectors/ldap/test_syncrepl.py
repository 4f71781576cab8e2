"""Changes by syncrepl of a real OpenLDAP or 389-ds: the snapshot equals a complete pull."""

from __future__ import annotations

import asyncio

import pytest

pytest.importorskip("ldap", reason="python-ldap is not installed (the extra ldap)")

from tests.connectors.ldap.directory import AnyDirectory
from tests.connectors.ldap.people import GROUPS, PEOPLE, READS, members, person, unit
from tests.servers.slapd import BASE, company
from usersyncd.errors import SourceError
from usersyncd.plugin import Kind, Record

COMPANY = [*company(people=40, groups=4, memberships=30)]


@pytest.fixture(params=["present", "session", "accesslog", "389"])
def directory(request: pytest.FixtureRequest) -> AnyDirectory:
    """OpenLDAP with every way in which it may know what was deleted, and 389 Directory Server."""
    if request.param == "389":
        found: AnyDirectory = request.getfixturevalue("serve389")(*COMPANY)
    else:
        found = request.getfixturevalue("serve")(*COMPANY, changes=request.param)
    found.reads = READS
    return found


async def test_a_pull_without_changes_yields_nothing(directory: AnyDirectory) -> None:
    await directory.follow()
    pull = await directory.mirror.follow(directory.source())
    assert list(pull.items) == []
    assert not pull.ends[0].complete
    assert pull.ends[0].cursor == directory.mirror.cursor


async def test_users_that_are_added_changed_and_deleted_are_followed(directory: AnyDirectory) -> None:
    await directory.follow()
    directory.server.modify(f"uid=u1,{PEOPLE}", {"title": "Countess", "mobile": []})
    directory.server.delete(f"uid=u2,{PEOPLE}")
    person(directory, "eve")
    mirror = await directory.agrees()
    assert mirror.user("u1")["title"] == "Countess"
    assert "mobile" not in mirror.user("u1")
    assert not mirror.has_user("u2")
    assert mirror.has_user("eve")


async def test_memberships_that_are_added_and_removed_are_followed(directory: AnyDirectory) -> None:
    await directory.follow()
    members(directory, "g0", f"uid=u3,{PEOPLE}", f"cn=g1,{GROUPS}", "cn=placeholder")
    mirror = await directory.agrees()
    assert mirror.members_of("g0") == {"u3", "g1"}
    directory.server.delete(f"cn=g1,{GROUPS}")
    assert (await directory.agrees()).members_of("g0") == {"u3"}


async def test_a_rename_and_a_move_keep_the_person(directory: AnyDirectory) -> None:
    left = unit(directory, "left")
    before = (await directory.follow()).id_of(Kind.USER, "u1")
    directory.server.rename(f"uid=u1,{PEOPLE}", "uid=countess", left)
    mirror = await directory.agrees()
    assert mirror.id_of(Kind.USER, "countess") == before


async def test_a_new_user_with_an_old_name_is_another_record(directory: AnyDirectory) -> None:
    before = (await directory.follow()).id_of(Kind.USER, "u1")
    directory.server.delete(f"uid=u1,{PEOPLE}")
    person(directory, "u1")
    assert (await directory.agrees()).id_of(Kind.USER, "u1") != before


async def test_an_entry_that_leaves_the_base_or_the_filter_is_deleted(directory: AnyDirectory) -> None:
    left = unit(directory, "left")
    options = {"users": {"base": PEOPLE, "filter": "(&(objectClass=inetOrgPerson)(!(title=robot)))"}}
    await directory.follow(**options)
    directory.server.rename(f"uid=u1,{PEOPLE}", "uid=u1", left)
    directory.server.modify(f"uid=u2,{PEOPLE}", {"title": "robot"})
    person(directory, "eve", left)
    directory.server.rename(f"uid=eve,{left}", "uid=eve", PEOPLE)
    mirror = await directory.agrees(**options)
    assert not mirror.has_user("u1")
    assert not mirror.has_user("u2")
    assert mirror.has_user("eve")


async def test_a_move_between_two_bases_keeps_the_person(directory: AnyDirectory) -> None:
    one, two = unit(directory, "one"), unit(directory, "two")
    for number in range(3):
        person(directory, f"one{number}", one)
        person(directory, f"two{number}", two)
    options = {"users": {"base": [one, two]}}
    await directory.follow(**options)
    directory.server.rename(f"uid=one0,{one}", "uid=one0", two)
    directory.server.rename(f"uid=two0,{two}", "uid=two0", one)
    directory.server.rename(f"uid=one1,{one}", "uid=one1", PEOPLE)
    directory.server.delete(f"uid=two1,{two}")
    mirror = await directory.agrees(**options)
    assert mirror.has_user("one0")
    assert mirror.has_user("two0")
    assert not mirror.has_user("one1")
    assert not mirror.has_user("two1")


async def test_a_renamed_unit_causes_a_complete_pull(directory: AnyDirectory) -> None:
    await asyncio.sleep(1.1)  # times have seconds: the unit must not look as if it was made after the first pull
    await directory.follow()
    directory.server.rename(PEOPLE, "ou=folk")
    members(directory, "g0", f"uid=u3,ou=folk,{BASE}")
    mirror = await directory.follow()
    assert mirror.pulls == [0, 2]
    assert mirror.members_of("g0") == {"u3"}
    assert any("perhaps renamed" in str(entry.get("why")) for entry in directory.log.entries)
    directory.server.add(f"ou=inner,ou=folk,{BASE}", {"objectClass": "organizationalUnit", "ou": "inner"})
    await asyncio.sleep(1.1)
    assert (await directory.follow()).pulls[1] == 2


async def test_entries_below_a_unit_that_leaves_the_base_are_deleted(directory: AnyDirectory) -> None:
    inner, left = f"ou=inner,{PEOPLE}", unit(directory, "left")
    directory.server.add(inner, {"objectClass": "organizationalUnit", "ou": "inner"})
    person(directory, "eve", inner)
    options = {"users": {"base": PEOPLE}, "groups": {"base": PEOPLE}}
    await asyncio.sleep(1.1)  # 389's times have seconds: the unit must not look as if it was only made
    assert (await directory.follow(**options)).has_user("eve")
    directory.server.rename(inner, "ou=inner", left)
    mirror = await directory.follow(**options)
    assert not mirror.has_user("eve")
    assert mirror.differences(await directory.afresh(**options)) == []


async def test_a_pull_may_be_repeated(directory: AnyDirectory) -> None:
    cursor = (await directory.follow()).cursor
    directory.server.delete(f"uid=u2,{PEOPLE}")
    members(directory, "g0", f"uid=u3,{PEOPLE}")
    await directory.follow()
    directory.mirror.cursor = cursor
    person(directory, "eve")
    members(directory, "g0", f"uid=u4,{PEOPLE}")
    await directory.agrees()


@pytest.mark.parametrize("cursor", ["", "nonsense", "{}", '{"format":1,"strategy":"syncrepl","scope":"x","state":{}}'])
async def test_an_unusable_cursor_causes_a_complete_pull(directory: AnyDirectory, cursor: str) -> None:
    directory.mirror.cursor = cursor
    assert (await directory.follow()).pulls == [0, 1]


async def test_only_what_changed_is_sent(directory: AnyDirectory) -> None:
    await directory.follow()
    directory.server.modify(f"uid=u1,{PEOPLE}", {"title": "Countess"})
    pull = await directory.mirror.follow(directory.source())
    assert [item.attributes["userName"] for item in pull.items if isinstance(item, Record)] == ["u1"]


async def test_a_server_that_stops_midway_discards_the_pull(directory: AnyDirectory) -> None:
    cursor = (await directory.follow()).cursor
    directory.server.kill()
    with pytest.raises(SourceError):
        await directory.follow()
    directory.server.run()
    assert directory.mirror.cursor == cursor
    await directory.agrees()


ODD = [r"Lovelace\, Ada", r"The \"Countess\"", "Zoë Ångström", "李小龍", r"a\+b\=c", r"\#1 \<x\>\;y"]


async def test_entries_with_special_characters_in_their_names_are_followed(directory: AnyDirectory) -> None:
    await directory.follow()
    dns = []
    for number, name in enumerate(ODD):
        dns.append(f"cn={name},{PEOPLE}")
        directory.server.add(dns[-1], {"objectClass": "inetOrgPerson", "sn": "x", "uid": f"odd{number}"})
    members(directory, "g0", *dns)
    mirror = await directory.agrees()
    assert mirror.members_of("g0") == {f"odd{number}" for number in range(len(ODD))}
    members(directory, "g0", *dns[1:])
    directory.server.delete(dns[1])
    assert (await directory.agrees()).members_of("g0") == {f"odd{number}" for number in range(2, len(ODD))}


async def test_a_member_outside_the_scope_becomes_one_when_it_is_read(directory: AnyDirectory) -> None:
    left = unit(directory, "left")
    eve = person(directory, "eve", left)
    options = {"users": {"base": PEOPLE}}
    await directory.follow(**options)
    members(directory, "g0", eve, f"uid=eve,{PEOPLE}", "cn=placeholder")
    assert (await directory.agrees(**options)).members_of("g0") == set()
    directory.server.rename(eve, "uid=eve", PEOPLE)
    assert (await directory.agrees(**options)).members_of("g0") == {"eve"}


async def test_bytes_and_several_values_are_followed(directory: AnyDirectory) -> None:
    directory.reads = {**READS, Kind.USER: frozenset({"userName", "mail", "jpegPhoto"})}
    await directory.follow()
    photo = b"\xff\xd8\xff\xe0 a photo"
    directory.server.modify(f"uid=u1,{PEOPLE}", {"mail": ["a@acme.example", "b@acme.example"], "jpegPhoto": [photo]})
    mirror = await directory.agrees()
    assert set(mirror.user("u1")["mail"]) == {"a@acme.example", "b@acme.example"}  # type: ignore[arg-type]
    assert mirror.user("u1")["jpegPhoto"] == "/9j/4CBhIHBob3Rv"
