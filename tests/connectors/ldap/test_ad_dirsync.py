"""DirSync on a real Active Directory (Samba): its changes, the rights that it needs, and unusable cursors."""

from __future__ import annotations

import pytest

pytest.importorskip("ldap", reason="python-ldap is not installed (the extra ldap)")

from tests.connectors.ldap.domain import PLAIN, Domain
from usersyncd.errors import SourceError
from usersyncd.plugin import Gone, Kind, Members, Record


async def test_a_pull_without_changes_yields_nothing(domain: Domain) -> None:
    await domain.follow()
    pull = await domain.mirror.follow(domain.source())
    assert list(pull.items) == []
    assert pull.ends[0].cursor is not None
    assert not pull.ends[0].complete


async def test_members_are_added_and_removed_one_by_one(domain: Domain) -> None:
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


async def test_an_ordinary_account_uses_complete_pulls(domain: Domain) -> None:
    """It may use DirSync with its own rights, but does not see deletions: they must not look like no change."""
    domain.options["bind_dn"] = domain.server.reader_dn
    ada = domain.server.add_user("ada")
    lines = "\n".join(await domain.check())
    assert "strategy complete" in lines
    assert "the account does not see deletions" in lines
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
    assert "with the rights that it has, and sees deletions" in "\n".join(await domain.check())
    await domain.follow()
    domain.server.delete(ada)
    pull = await domain.mirror.follow(domain.source())
    assert {item.kind for item in pull.items if isinstance(item, Gone)} == set(Kind)
    assert not domain.mirror.has_user("ada")


@pytest.mark.parametrize("cursor", ["", "nonsense", "{}", '{"format":1,"strategy":"dirsync","scope":"x","state":{}}'])
async def test_an_unusable_cursor_causes_a_complete_pull(domain: Domain, cursor: str) -> None:
    domain.server.add_user("ada")
    domain.mirror.cursor = cursor
    mirror = await domain.follow()
    assert mirror.has_user("ada")
    assert mirror.pulls == [0, 1]


async def test_a_broken_cookie_causes_a_complete_pull(domain: Domain) -> None:
    domain.server.add_user("ada")
    await domain.follow()
    assert domain.mirror.cursor is not None
    domain.mirror.cursor = domain.mirror.cursor.replace('"cookie":"', '"cookie":"AAAA')
    assert (await domain.follow()).pulls == [0, 2]
    assert any("refuses the cookie" in str(entry.get("why")) for entry in domain.log.entries)


async def test_unreported_attributes_cause_complete_pulls(domain: Domain) -> None:
    reads = {Kind.USER: frozenset({"userName", "memberOf"}), Kind.GROUP: frozenset({"cn"})}
    await domain.follow(reads=reads)
    assert (await domain.follow(reads=reads)).pulls == [0, 2]
    lines = await domain.check(users={"filter": f"(memberOf={domain.server.dn('Domain Admins')})"})
    assert any("strategy complete: the filter for users uses memberof" in line for line in lines)


async def test_a_changed_record_has_all_its_attributes(domain: Domain) -> None:
    ada = domain.server.add_user("ada", title="Miss", l="London")
    await domain.follow()
    domain.server.modify(ada, {"title": "Countess"})
    pull = await domain.mirror.follow(domain.source(reads={**PLAIN, Kind.USER: PLAIN[Kind.USER]}))
    (record,) = [item for item in pull.items if isinstance(item, Record)]
    assert record.attributes["title"] == "Countess"
    assert record.attributes["userName"] == "ada"
