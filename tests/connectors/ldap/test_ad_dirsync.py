"""What changed in a real Active Directory (Samba), told by DirSync: the snapshot is as a complete pull would say."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

pytest.importorskip("ldap", reason="python-ldap is not installed (the extra ldap)")

from tests.connectors.ldap.domain import EVERYTHING, PLAIN, Domain
from tests.connectors.ldap.test_ad_complete import ticks
from usersyncd.errors import SourceError
from usersyncd.plugin import Gone, Kind, Members, Record


async def test_nothing_changed(domain: Domain) -> None:
    await domain.follow()
    pull = await domain.mirror.follow(domain.source())
    assert list(pull.items) == []
    assert pull.ends[0].cursor is not None
    assert not pull.ends[0].complete


async def test_people_come_change_and_go(domain: Domain) -> None:
    server = domain.server
    ada, bob = server.add_user("ada", title="Miss", mobile="1"), server.add_user("bob")
    await domain.follow()
    server.modify(ada, {"title": "Countess", "mobile": []})
    server.delete(bob)
    server.add_user("eve")
    mirror = await domain.agrees()
    assert mirror.user("ada")["title"] == "Countess"
    assert "mobile" not in mirror.user("ada")
    assert not mirror.has_user("bob")
    assert mirror.has_user("eve")


async def test_members_come_and_go_one_by_one(domain: Domain) -> None:
    server = domain.server
    people = [server.add_user(f"u{n}") for n in range(4)]
    group = server.add_group("staff", people[:3])
    await domain.follow()
    server.unlink(group, people[0])
    server.link(group, people[3])
    pull = await domain.mirror.follow(domain.source())
    (change,) = [item for item in pull.items if isinstance(item, Members)]
    assert not change.whole
    assert (len(change.added), len(change.removed)) == (1, 1)
    assert domain.mirror.members_of("staff") == {"u1", "u2", "u3"}
    server.unlink(group, *people[1:])
    server.link(group, people[1])
    server.unlink(group, people[1])
    server.link(group, people[2])
    assert (await domain.agrees()).members_of("staff") == {"u2"}


async def test_a_rename_and_a_move_keep_the_person_and_the_memberships(domain: Domain) -> None:
    server = domain.server
    ada = server.add_user("ada")
    server.add_user("bob", manager=ada)
    server.add_group("staff", [ada])
    before = await domain.follow()
    key = before.id_of(Kind.USER, "ada")
    server.rename(ada, "CN=Countess Ada", server.add_unit("left"))
    mirror = await domain.agrees()
    assert mirror.id_of(Kind.USER, "ada") == key
    assert mirror.members_of("staff") == {"ada"}
    assert mirror.user("bob")["manager"] == key


async def test_somebody_new_under_an_old_name_is_somebody_else(domain: Domain) -> None:
    server = domain.server
    ada = server.add_user("ada")
    server.add_group("staff", [ada])
    key = (await domain.follow()).id_of(Kind.USER, "ada")
    server.delete(ada)
    server.add_user("ada")
    mirror = await domain.agrees()
    assert mirror.id_of(Kind.USER, "ada") != key
    assert mirror.members_of("staff") == set()


async def test_an_account_is_disabled_enabled_again_and_expires(domain: Domain) -> None:
    server = domain.server
    ada = server.add_user("ada")
    await domain.follow()
    tomorrow = (datetime.now(UTC) + timedelta(days=1)).replace(microsecond=0)
    server.modify(ada, {"userAccountControl": "546", "accountExpires": ticks(tomorrow)})
    assert (await domain.agrees()).user("ada")["active"] is False
    assert domain.mirror.user("ada")["validUntil"] == tomorrow.strftime("%Y-%m-%dT%H:%M:%SZ")
    server.modify(ada, {"userAccountControl": "544", "accountExpires": "0"})
    assert (await domain.agrees()).user("ada")["active"] is True
    assert "validUntil" not in domain.mirror.user("ada")


async def test_who_moves_out_of_the_base_is_gone_and_who_moves_in_is_there(domain: Domain) -> None:
    server = domain.server
    staff, others = server.add_unit("staff"), server.add_unit("others")
    ada, bob = server.add_user("ada", staff), server.add_user("bob", others)
    server.add_group("all", [ada, bob])
    options = {"users": {"base": staff}}
    await domain.follow(**options)
    server.rename(ada, "CN=ada", others)
    server.rename(bob, "CN=bob", staff)
    mirror = await domain.agrees(**options)
    assert not mirror.has_user("ada")
    assert mirror.members_of("all") == {"bob"}
    server.rename(f"CN=ada,{others}", "CN=ada", staff)
    assert (await domain.agrees(**options)).members_of("all") == {"ada", "bob"}


async def test_a_filter_that_no_longer_fits_is_noticed(domain: Domain) -> None:
    server = domain.server
    ada, bob = server.add_user("ada", employeeNumber="1"), server.add_user("bob")
    options = {"users": {"filter": "(&(objectClass=user)(!(l=Moon))(employeeNumber=*))"}}
    assert (await domain.follow(**options)).has_user("ada")
    server.modify(ada, {"l": "Moon"})
    server.modify(bob, {"employeeNumber": "2"})
    mirror = await domain.agrees(**options)
    assert not mirror.has_user("ada")
    assert mirror.has_user("bob")


async def test_a_group_that_begins_to_fit_has_its_members(domain: Domain) -> None:
    server = domain.server
    ada = server.add_user("ada")
    group = server.add_group("staff", [ada])
    server.add_group("app-one", [ada])
    options = {"groups": {"filter": "(cn=app-*)"}}
    await domain.follow(**options)
    server.rename(group, "CN=app-two")
    assert (await domain.agrees(**options)).members_of("app-two") == {"ada"}
    server.rename(server.dn("app-one"), "CN=one")
    await domain.agrees(**options)


async def test_a_group_whose_description_changes_keeps_its_members(domain: Domain) -> None:
    server = domain.server
    group = server.add_group("staff", [server.add_user("ada")])
    await domain.follow()
    server.modify(group, {"description": "All of us"})
    server.link(group, server.add_user("bob"))
    pull = await domain.mirror.follow(domain.source())
    assert not [item for item in pull.items if isinstance(item, Members) and item.whole]
    assert domain.mirror.members_of("staff") == {"ada", "bob"}
    server.rename(group, "CN=crew")  # sAMAccountName stays
    assert (await domain.agrees()).members_of("crew") == {"ada", "bob"}


async def test_primary_groups_change_without_a_word_about_members(domain: Domain) -> None:
    server = domain.server
    ada, bob = server.add_user("ada"), server.add_user("bob")
    staff = server.add_group("staff", [ada, bob])
    token = server.connect().search_s(staff, 0, attrlist=["primaryGroupToken"])[0][1]["primaryGroupToken"][0]
    await domain.follow()
    server.modify(ada, {"primaryGroupID": token})
    assert (await domain.agrees()).members_of("staff") == {"ada", "bob"}
    server.rename(staff, "CN=crew")
    assert (await domain.agrees()).members_of("crew") == {"ada", "bob"}
    server.modify(ada, {"primaryGroupID": "513"})
    server.unlink(server.dn("crew"), ada)
    mirror = await domain.agrees()
    assert mirror.members_of("crew") == {"bob"}
    assert "ada" in mirror.members_of("Domain Users")


async def test_a_renamed_unit_is_read_anew(domain: Domain) -> None:
    server = domain.server
    staff, others = server.add_unit("staff"), server.add_unit("others")
    server.add_user("ada", server.add_unit("inner", staff))
    options = {"users": {"base": staff}}
    assert (await domain.follow(**options)).has_user("ada")
    server.rename(f"OU=inner,{staff}", "OU=inner", others)
    mirror = await domain.follow(**options)
    assert not mirror.has_user("ada")
    assert mirror.pulls == [0, 2]
    assert any("moved or renamed" in str(entry.get("why")) for entry in domain.log.entries)


async def test_a_member_outside_the_scope_becomes_one_when_it_is_read(domain: Domain) -> None:
    server = domain.server
    staff, others = server.add_unit("staff"), server.add_unit("others")
    eve = server.add_user("eve", others)
    group = server.add_group("all")
    options = {"users": {"base": staff}}
    await domain.follow(**options)
    server.link(group, eve)
    assert (await domain.agrees(**options)).members_of("all") == set()
    server.rename(eve, "CN=eve", staff)
    assert (await domain.agrees(**options)).members_of("all") == {"eve"}


async def test_the_next_pull_goes_on_after_a_restart(domain: Domain) -> None:
    server = domain.server
    ada = server.add_user("ada")
    await domain.follow()
    server.modify(ada, {"title": "Countess"})
    server.stop()
    with pytest.raises(SourceError, match="no LDAP server answers"):
        await domain.follow()
    server.run()
    assert (await domain.agrees()).user("ada")["title"] == "Countess"
    server.modify(ada, {"title": "Miss"})
    server.kill()
    server.run()
    await domain.agrees()


async def test_a_pull_may_be_repeated(domain: Domain) -> None:
    """A run that failed after its pull asks again with the cursor that it had."""
    server = domain.server
    ada, bob = server.add_user("ada"), server.add_user("bob")
    group = server.add_group("staff", [ada])
    cursor = (await domain.follow()).cursor
    server.link(group, bob)
    server.unlink(group, ada)
    server.delete(ada)
    await domain.follow()
    domain.mirror.cursor = cursor
    server.unlink(group, bob)
    await domain.agrees()


async def test_an_ordinary_account_uses_complete_pulls(domain: Domain) -> None:
    """It may use DirSync with its own rights, but would not be told of deletions: nothing must look like no change."""
    domain.options["bind_dn"] = domain.server.reader_dn
    ada = domain.server.add_user("ada")
    lines = "\n".join(await domain.check())
    assert "strategy complete" in lines
    assert "the account would not be told what was deleted" in lines
    await domain.follow()
    domain.server.delete(ada)
    mirror = await domain.follow()
    assert not mirror.has_user("ada")
    assert mirror.pulls == [0, 2]
    with pytest.raises(SourceError, match="strategy dirsync does not work here"):
        await domain.follow(strategy="dirsync")


async def test_an_ordinary_account_that_sees_deletions_may_use_dirsync(domain: Domain) -> None:
    domain.options["bind_dn"] = domain.server.reader_dn
    domain.server.show_deleted_to_everyone()
    ada = domain.server.add_user("ada")
    assert "with the rights that it has, and sees what was deleted" in "\n".join(await domain.check())
    await domain.follow()
    domain.server.delete(ada)
    pull = await domain.mirror.follow(domain.source())
    assert {item.kind for item in pull.items if isinstance(item, Gone)} == set(Kind)
    assert not domain.mirror.has_user("ada")


@pytest.mark.parametrize("cursor", ["", "nonsense", "{}", '{"format":1,"strategy":"dirsync","scope":"x","state":{}}'])
async def test_a_cursor_that_cannot_be_used_is_answered_with_everything(domain: Domain, cursor: str) -> None:
    domain.server.add_user("ada")
    domain.mirror.cursor = cursor
    mirror = await domain.follow()
    assert mirror.has_user("ada")
    assert mirror.pulls == [0, 1]


async def test_another_scope_reads_everything(domain: Domain) -> None:
    domain.server.add_user("ada")
    await domain.follow()
    reads = {**PLAIN, Kind.GROUP: frozenset({"cn"})}
    for options in ({"groups": {"filter": "(cn=x)"}}, {"reads": reads}, {"users": {"base": domain.server.people}}):
        assert (await domain.follow(**options)).pulls[0] == 0


async def test_a_broken_cookie_reads_everything(domain: Domain) -> None:
    domain.server.add_user("ada")
    await domain.follow()
    assert domain.mirror.cursor is not None
    domain.mirror.cursor = domain.mirror.cursor.replace('"cookie":"', '"cookie":"AAAA')
    assert (await domain.follow()).pulls == [0, 2]
    assert any("does not take the cookie" in str(entry.get("why")) for entry in domain.log.entries)


async def test_what_no_feed_tells_of_is_read_completely(domain: Domain) -> None:
    reads = {Kind.USER: frozenset({"userName", "memberOf"}), Kind.GROUP: frozenset({"cn"})}
    await domain.follow(reads=reads)
    assert domain.mirror.cursor is None
    lines = await domain.check(users={"filter": f"(memberOf={domain.server.dn('Domain Admins')})"})
    assert any("strategy complete: the filter for users looks at memberof" in line for line in lines)


async def test_everything_is_followed_when_the_rules_may_read_anything(domain: Domain) -> None:
    ada = domain.server.add_user("ada")
    await domain.follow(reads=EVERYTHING)
    domain.server.modify(ada, {"roomNumber": "5"})
    assert (await domain.agrees(reads=EVERYTHING)).user("ada")["roomNumber"] == "5"


async def test_records_come_whole(domain: Domain) -> None:
    ada = domain.server.add_user("ada", title="Miss", l="London")
    await domain.follow()
    domain.server.modify(ada, {"title": "Countess"})
    pull = await domain.mirror.follow(domain.source(reads={**PLAIN, Kind.USER: PLAIN[Kind.USER]}))
    (record,) = [item for item in pull.items if isinstance(item, Record)]
    assert record.attributes["title"] == "Countess"
    assert record.attributes["userName"] == "ada"
