"""Changes in a real Active Directory (Samba): by any strategy, the result equals that of a complete pull."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

pytest.importorskip("ldap", reason="python-ldap is not installed (the extra ldap)")

from tests.connectors.ldap.domain import EVERYTHING, PLAIN, Domain
from tests.connectors.ldap.test_ad_complete import ticks
from usersyncd.errors import SourceError
from usersyncd.plugin import Kind


@pytest.fixture(params=["dirsync", "usn"])
def corp(request: pytest.FixtureRequest, domain: Domain) -> Domain:
    domain.options["strategy"] = request.param
    return domain


async def test_users_that_are_added_changed_and_deleted_are_followed(corp: Domain) -> None:
    server = corp.server
    ada, bob = server.add_user("ada", title="Miss", mobile="1"), server.add_user("bob")
    await corp.follow()
    server.modify(ada, {"title": "Countess", "mobile": []})
    server.delete(bob)
    server.add_user("eve")
    mirror = await corp.agrees()
    assert mirror.user("ada")["title"] == "Countess"
    assert "mobile" not in mirror.user("ada")
    assert not mirror.has_user("bob")
    assert mirror.has_user("eve")


async def test_a_rename_and_a_move_keep_the_person_and_the_memberships(corp: Domain) -> None:
    server = corp.server
    ada = server.add_user("ada")
    server.add_user("bob", manager=ada)
    server.add_group("staff", [ada])
    before = await corp.follow()
    key = before.id_of(Kind.USER, "ada")
    server.rename(ada, "CN=Countess Ada", server.add_unit("left"))
    mirror = await corp.agrees()
    assert mirror.id_of(Kind.USER, "ada") == key
    assert mirror.members_of("staff") == {"ada"}
    assert mirror.user("bob")["manager"] == key


async def test_a_new_user_with_an_old_name_is_another_record(corp: Domain) -> None:
    server = corp.server
    ada = server.add_user("ada")
    server.add_group("staff", [ada])
    key = (await corp.follow()).id_of(Kind.USER, "ada")
    server.delete(ada)
    server.add_user("ada")
    mirror = await corp.agrees()
    assert mirror.id_of(Kind.USER, "ada") != key
    assert mirror.members_of("staff") == set()


async def test_an_account_is_disabled_enabled_again_and_expires(corp: Domain) -> None:
    server = corp.server
    ada = server.add_user("ada")
    await corp.follow()
    tomorrow = (datetime.now(UTC) + timedelta(days=1)).replace(microsecond=0)
    server.modify(ada, {"userAccountControl": "546", "accountExpires": ticks(tomorrow)})
    assert (await corp.agrees()).user("ada")["active"] is False
    assert corp.mirror.user("ada")["validUntil"] == tomorrow.strftime("%Y-%m-%dT%H:%M:%SZ")
    server.modify(ada, {"userAccountControl": "544", "accountExpires": "0"})
    assert (await corp.agrees()).user("ada")["active"] is True
    assert "validUntil" not in corp.mirror.user("ada")


async def test_entries_that_move_out_of_the_base_are_deleted_and_others_added(corp: Domain) -> None:
    server = corp.server
    staff, others = server.add_unit("staff"), server.add_unit("others")
    ada, bob = server.add_user("ada", staff), server.add_user("bob", others)
    server.add_group("all", [ada, bob])
    options = {"users": {"base": staff}}
    await corp.follow(**options)
    server.rename(ada, "CN=ada", others)
    server.rename(bob, "CN=bob", staff)
    mirror = await corp.agrees(**options)
    assert not mirror.has_user("ada")
    assert mirror.members_of("all") == {"bob"}
    server.rename(f"CN=ada,{others}", "CN=ada", staff)
    assert (await corp.agrees(**options)).members_of("all") == {"ada", "bob"}


async def test_a_user_that_no_longer_matches_the_filter_is_deleted(corp: Domain) -> None:
    server = corp.server
    ada, bob = server.add_user("ada", employeeNumber="1"), server.add_user("bob")
    options = {"users": {"filter": "(&(objectClass=user)(!(l=Moon))(employeeNumber=*))"}}
    assert (await corp.follow(**options)).has_user("ada")
    server.modify(ada, {"l": "Moon"})
    server.modify(bob, {"employeeNumber": "2"})
    mirror = await corp.agrees(**options)
    assert not mirror.has_user("ada")
    assert mirror.has_user("bob")


async def test_a_group_that_begins_to_match_the_filter_has_its_members(corp: Domain) -> None:
    server = corp.server
    ada = server.add_user("ada")
    group = server.add_group("staff", [ada])
    server.add_group("app-one", [ada])
    options = {"groups": {"filter": "(cn=app-*)"}}
    await corp.follow(**options)
    server.rename(group, "CN=app-two")
    assert (await corp.agrees(**options)).members_of("app-two") == {"ada"}
    server.rename(server.dn("app-one"), "CN=one")
    await corp.agrees(**options)


async def test_changes_of_primary_groups_are_followed(corp: Domain) -> None:
    server = corp.server
    ada, bob = server.add_user("ada"), server.add_user("bob")
    staff = server.add_group("staff", [ada, bob])
    token = server.connect().search_s(staff, 0, attrlist=["primaryGroupToken"])[0][1]["primaryGroupToken"][0]
    await corp.follow()
    server.modify(ada, {"primaryGroupID": token})
    assert (await corp.agrees()).members_of("staff") == {"ada", "bob"}
    server.rename(staff, "CN=crew")
    assert (await corp.agrees()).members_of("crew") == {"ada", "bob"}
    server.modify(ada, {"primaryGroupID": "513"})
    server.unlink(server.dn("crew"), ada)
    mirror = await corp.agrees()
    assert mirror.members_of("crew") == {"bob"}
    assert "ada" in mirror.members_of("Domain Users")


async def test_a_renamed_unit_causes_a_complete_pull(corp: Domain) -> None:
    server = corp.server
    staff, others = server.add_unit("staff"), server.add_unit("others")
    server.add_user("ada", server.add_unit("inner", staff))
    options = {"users": {"base": staff}}
    assert (await corp.follow(**options)).has_user("ada")
    server.rename(f"OU=inner,{staff}", "OU=inner", others)
    mirror = await corp.follow(**options)
    assert not mirror.has_user("ada")
    assert mirror.pulls == [0, 2]
    assert any("renamed" in str(entry.get("why")) for entry in corp.log.entries)


async def test_a_member_outside_the_scope_becomes_one_when_it_is_read(corp: Domain) -> None:
    server = corp.server
    staff, others = server.add_unit("staff"), server.add_unit("others")
    eve = server.add_user("eve", others)
    group = server.add_group("all")
    options = {"users": {"base": staff}}
    await corp.follow(**options)
    server.link(group, eve)
    assert (await corp.agrees(**options)).members_of("all") == set()
    server.rename(eve, "CN=eve", staff)
    assert (await corp.agrees(**options)).members_of("all") == {"eve"}


async def test_the_next_pull_continues_after_a_restart(corp: Domain) -> None:
    server = corp.server
    ada = server.add_user("ada")
    await corp.follow()
    server.modify(ada, {"title": "Countess"})
    server.stop()
    with pytest.raises(SourceError, match="no LDAP server answers"):
        await corp.follow()
    server.run()
    assert (await corp.agrees()).user("ada")["title"] == "Countess"
    server.modify(ada, {"title": "Miss"})
    server.kill()
    server.run()
    await corp.agrees()


async def test_a_pull_may_be_repeated(corp: Domain) -> None:
    """A run that failed after its pull uses the same cursor again."""
    server = corp.server
    ada, bob = server.add_user("ada"), server.add_user("bob")
    group = server.add_group("staff", [ada])
    cursor = (await corp.follow()).cursor
    server.link(group, bob)
    server.unlink(group, ada)
    server.delete(ada)
    await corp.follow()
    corp.mirror.cursor = cursor
    server.unlink(group, bob)
    await corp.agrees()


async def test_another_scope_reads_everything(corp: Domain) -> None:
    corp.server.add_user("ada")
    await corp.follow()
    reads = {**PLAIN, Kind.GROUP: frozenset({"cn"})}
    for options in ({"groups": {"filter": "(cn=x)"}}, {"reads": reads}, {"users": {"base": corp.server.people}}):
        assert (await corp.follow(**options)).pulls[0] == 0


async def test_all_attributes_are_followed_when_the_rules_may_read_any(corp: Domain) -> None:
    ada = corp.server.add_user("ada")
    await corp.follow(reads=EVERYTHING)
    corp.server.modify(ada, {"roomNumber": "5"})
    assert (await corp.agrees(reads=EVERYTHING)).user("ada")["roomNumber"] == "5"
