"""What changed on a real OpenLDAP, told by syncrepl: the snapshot is as a complete pull would say."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import pytest

pytest.importorskip("ldap", reason="python-ldap is not installed (the extra ldap)")

from tests.connectors.ldap.directory import Directory, Reads
from tests.servers.slapd import BASE, company
from usersyncd.errors import SourceError
from usersyncd.plugin import CANONICAL, Gone, Kind, Present, Record

Serve = Callable[..., Directory]
PEOPLE, GROUPS = f"ou=people,{BASE}", f"ou=groups,{BASE}"

READS: Reads = {
    Kind.USER: frozenset(CANONICAL[Kind.USER]) - {"id"} | {"mail", "sn", "modifyTimestamp"},
    Kind.GROUP: frozenset({"cn", "description", "mail"}),
}


@pytest.fixture(params=["present", "session", "accesslog"])
def directory(request: pytest.FixtureRequest, serve: Serve) -> Directory:
    """Every way in which the server may know what was deleted."""
    found = serve(*company(people=40, groups=4, memberships=30), changes=request.param)
    found.reads = READS
    return found


@pytest.fixture
def logged(serve: Serve) -> Directory:
    found = serve(*company(people=40, groups=4, memberships=30), changes="session")
    found.reads = READS
    return found


def person(directory: Directory, name: str, parent: str = PEOPLE, **attributes: str) -> str:
    dn = f"uid={name},{parent}"
    directory.server.add(dn, {"objectClass": "inetOrgPerson", "uid": name, "cn": name, "sn": name, **attributes})
    return dn


def unit(directory: Directory, name: str) -> str:
    directory.server.add(f"ou={name},{BASE}", {"objectClass": "organizationalUnit", "ou": name})
    return f"ou={name},{BASE}"


def members(directory: Directory, group: str, *dns: str) -> None:
    directory.server.modify(f"cn={group},{GROUPS}", {"member": list(dns)})


async def test_nothing_changed(directory: Directory) -> None:
    await directory.follow()
    pull = await directory.mirror.follow(directory.source())
    assert list(pull.items) == []
    assert not pull.ends[0].complete
    assert pull.ends[0].cursor == directory.mirror.cursor


async def test_people_come_change_and_go(directory: Directory) -> None:
    await directory.follow()
    directory.server.modify(f"uid=u1,{PEOPLE}", {"title": "Countess", "mobile": []})
    directory.server.delete(f"uid=u2,{PEOPLE}")
    person(directory, "eve")
    mirror = await directory.agrees()
    assert mirror.user("u1")["title"] == "Countess"
    assert "mobile" not in mirror.user("u1")
    assert not mirror.has_user("u2")
    assert mirror.has_user("eve")


async def test_memberships_come_and_go(directory: Directory) -> None:
    await directory.follow()
    members(directory, "g0", f"uid=u3,{PEOPLE}", f"cn=g1,{GROUPS}", "cn=placeholder")
    mirror = await directory.agrees()
    assert mirror.members_of("g0") == {"u3", "g1"}
    directory.server.delete(f"cn=g1,{GROUPS}")
    assert (await directory.agrees()).members_of("g0") == {"u3"}


async def test_a_rename_and_a_move_keep_the_person(directory: Directory) -> None:
    left = unit(directory, "left")
    before = (await directory.follow()).id_of(Kind.USER, "u1")
    directory.server.rename(f"uid=u1,{PEOPLE}", "uid=countess", left)
    mirror = await directory.agrees()
    assert mirror.id_of(Kind.USER, "countess") == before


async def test_somebody_new_under_an_old_name_is_somebody_else(directory: Directory) -> None:
    before = (await directory.follow()).id_of(Kind.USER, "u1")
    directory.server.delete(f"uid=u1,{PEOPLE}")
    person(directory, "u1")
    assert (await directory.agrees()).id_of(Kind.USER, "u1") != before


async def test_who_moves_out_of_the_base_or_the_filter_is_gone(directory: Directory) -> None:
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


async def test_a_move_between_two_bases_keeps_the_person(directory: Directory) -> None:
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


async def test_a_renamed_unit_is_read_anew(directory: Directory) -> None:
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


async def test_a_server_that_restarts_between_pulls(directory: Directory) -> None:
    """The log of a session is gone then: the server names everybody who is there."""
    await directory.follow()
    directory.server.delete(f"uid=u2,{PEOPLE}")
    directory.server.stop()
    with pytest.raises(SourceError, match="no LDAP server answers"):
        await directory.follow()
    directory.server.run()
    directory.server.modify(f"uid=u3,{PEOPLE}", {"title": "Countess"})
    mirror = await directory.agrees()
    assert not mirror.has_user("u2")
    assert mirror.user("u3")["title"] == "Countess"
    directory.server.kill()
    directory.server.run()
    person(directory, "eve")
    await directory.agrees()


async def test_present_and_delete_phase_name_what_they_should(serve: Serve) -> None:
    ldif = [*company(people=40, groups=4, memberships=30)]
    names = {}
    for changes in ("present", "session"):
        directory = serve(*ldif, changes=changes)
        await directory.follow()
        directory.server.delete(f"uid=u2,{PEOPLE}")
        pull = await directory.mirror.follow(directory.source())
        names[changes] = {type(item) for item in pull.items}
        assert pull.ends[0].complete == (changes == "present")
    assert names == {"present": {Present}, "session": {Gone}}


async def test_a_pull_may_be_repeated(directory: Directory) -> None:
    cursor = (await directory.follow()).cursor
    directory.server.delete(f"uid=u2,{PEOPLE}")
    members(directory, "g0", f"uid=u3,{PEOPLE}")
    await directory.follow()
    directory.mirror.cursor = cursor
    person(directory, "eve")
    members(directory, "g0", f"uid=u4,{PEOPLE}")
    await directory.agrees()


async def test_a_server_restored_from_a_backup(logged: Directory) -> None:
    """Its state is older than the cursor: it refuses it, and everything is read."""
    logged.server.stop()
    backup = logged.server.backup()
    logged.server.run()
    person(logged, "eve")
    assert (await logged.follow()).has_user("eve")
    logged.server.stop()
    logged.server.restore(backup)
    logged.server.run()
    mirror = await logged.follow()
    assert not mirror.has_user("eve")
    assert mirror.pulls == [0, 2]
    assert any("newer than provider" in str(entry.get("why")) for entry in logged.log.entries)


@pytest.mark.parametrize("cursor", ["", "nonsense", "{}", '{"format":1,"strategy":"syncrepl","scope":"x","state":{}}'])
async def test_a_cursor_that_cannot_be_used_is_answered_with_everything(logged: Directory, cursor: str) -> None:
    logged.mirror.cursor = cursor
    assert (await logged.follow()).pulls == [0, 1]


async def test_a_cookie_that_the_server_does_not_know(logged: Directory) -> None:
    await logged.follow()
    assert logged.mirror.cursor is not None
    logged.mirror.cursor = logged.mirror.cursor.replace("rid=000,csn=", "nonsense")
    mirror = await logged.follow()
    assert mirror.differences(await logged.afresh()) == []


async def test_without_syncprov_every_pull_is_complete(serve: Serve) -> None:
    directory = serve(*company(people=5, groups=1, memberships=3))
    lines = await directory.check()
    assert any(line.startswith("strategy complete: the database that holds") for line in lines)
    await directory.follow()
    assert directory.mirror.cursor is None
    with pytest.raises(SourceError, match=r"strategy syncrepl does not work here: .* no overlay syncprov"):
        await directory.follow(strategy="syncrepl")
    with pytest.raises(SourceError, match="there is no strategy dirsync for it"):
        await directory.follow(strategy="dirsync")


async def test_check_says_how_it_is_read(directory: Directory) -> None:
    lines = await directory.check()
    assert "strategy syncrepl: the overlay syncprov tells what changed" in lines
    lines = await directory.check(strategy="complete")
    assert "strategy complete: the option strategy says so" in lines


async def test_a_size_limit_voids_an_incremental_pull(serve: Serve) -> None:
    directory = serve(
        *company(people=40, groups=4, memberships=30),
        changes="session",
        limits="size=10 size.pr=1000 size.prtotal=unlimited",
    )
    await directory.follow()
    for number in range(20):
        directory.server.modify(f"uid=u{number},{PEOPLE}", {"title": "Countess"})
    with pytest.raises(SourceError, match="Size limit exceeded"):
        await directory.follow()


async def test_only_what_changed_is_sent(logged: Directory) -> None:
    await logged.follow()
    logged.server.modify(f"uid=u1,{PEOPLE}", {"title": "Countess"})
    pull = await logged.mirror.follow(logged.source())
    assert [item.attributes["userName"] for item in pull.items if isinstance(item, Record)] == ["u1"]


async def test_a_server_that_goes_away_voids_the_pull(logged: Directory) -> None:
    cursor = (await logged.follow()).cursor
    logged.server.kill()
    with pytest.raises(SourceError):
        await logged.follow()
    logged.server.run()
    assert logged.mirror.cursor == cursor
    await logged.agrees()
