"""Special cases of 389 Directory Server: locked accounts, its cookie, and a trimmed changelog."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable

import pytest

pytest.importorskip("ldap", reason="python-ldap is not installed (the extra ldap)")

import ldap

from tests.connectors.ldap.directory import Directory389
from tests.connectors.ldap.people import PEOPLE, READS, members, person
from tests.servers.slapd import company
from usersyncd.errors import SourceError
from usersyncd.plugin import Gone, Kind

COMPANY = [*company(people=40, groups=4, memberships=30)]


@pytest.fixture
def directory(serve389: Callable[..., Directory389]) -> Directory389:
    found = serve389(*COMPANY)
    found.reads = READS
    return found


async def test_the_id_is_the_ns_unique_id(directory: Directory389) -> None:
    mirror = await directory.follow()
    connection = directory.server.connect()
    ((_, entry),) = connection.search_s(f"uid=u1,{PEOPLE}", ldap.SCOPE_BASE, attrlist=["nsUniqueId"])
    connection.unbind_s()
    assert mirror.id_of(Kind.USER, "u1") == entry["nsUniqueId"][0].decode()


async def test_a_locked_account_is_not_active(directory: Directory389) -> None:
    assert (await directory.follow()).user("u1")["active"] is True
    directory.server.modify(f"uid=u1,{PEOPLE}", {"nsAccountLock": "true"})
    assert (await directory.agrees()).user("u1")["active"] is False
    directory.server.modify(f"uid=u1,{PEOPLE}", {"nsAccountLock": []})
    assert (await directory.agrees()).user("u1")["active"] is True


async def test_the_end_of_an_incremental_pull_removes_nobody(directory: Directory389) -> None:
    """The server says refreshDeletes FALSE and names nobody as present: by RFC 4533 everybody else would be gone."""
    await directory.follow()
    directory.server.delete(f"uid=u2,{PEOPLE}")
    pull = await directory.mirror.follow(directory.source())
    assert not pull.ends[0].complete
    assert len({item.id for item in pull.items if isinstance(item, Gone)}) == 1
    assert len(directory.mirror.records) == 40 + 4 - 1


async def test_check_describes_the_strategy(directory: Directory389) -> None:
    text = "\n".join(await directory.check())
    assert "389 Directory Server (389 Project 389-Directory/" in text
    assert "strategy syncrepl: the plugin Content Synchronization reports changes" in text


async def test_a_restart_between_pulls(directory: Directory389) -> None:
    await directory.follow()
    directory.server.delete(f"uid=u2,{PEOPLE}")
    directory.server.stop()
    with pytest.raises(SourceError, match="no LDAP server answers"):
        await directory.follow()
    directory.server.run()
    person(directory, "eve")
    mirror = await directory.agrees()
    assert not mirror.has_user("u2")
    assert mirror.has_user("eve")
    directory.server.kill()
    directory.server.run()
    directory.server.delete(f"uid=eve,{PEOPLE}")
    await directory.agrees()


async def test_a_server_restored_from_a_backup(directory: Directory389) -> None:
    directory.server.stop()
    backup = directory.server.backup()
    directory.server.run()
    person(directory, "eve")
    assert (await directory.follow()).has_user("eve")
    directory.server.stop()
    directory.server.restore(backup)
    directory.server.run()
    assert not (await directory.follow()).has_user("eve")
    assert directory.mirror.pulls == [0, 2]
    assert any("the server was restored" in str(entry.get("why")) for entry in directory.log.entries)


async def test_a_unit_that_is_made_read_and_renamed_within_a_second(directory: Directory389) -> None:
    """The server's times have seconds only: the unit looks new."""
    inner = f"ou=inner,{PEOPLE}"
    await asyncio.sleep(1 - time.time() % 1)
    directory.server.add(inner, {"objectClass": "organizationalUnit"})
    person(directory, "eve", inner)
    await directory.follow()
    directory.server.rename(inner, "ou=other")
    members(directory, "g0", f"uid=eve,ou=other,{PEOPLE}")
    assert (await directory.follow()).members_of("g0") == {"eve"}


async def test_two_changes_within_a_second_are_followed(directory: Directory389) -> None:
    await asyncio.sleep(1 - time.time() % 1)
    for title in ("Countess", "Duchess"):
        directory.server.modify(f"uid=u1,{PEOPLE}", {"title": title})
        assert (await directory.follow()).user("u1")["title"] == title


async def test_a_changelog_that_was_trimmed_beyond_the_cursor(directory: Directory389) -> None:
    """The server would answer that nothing changed."""
    await directory.follow()
    cursor = str(directory.mirror.cursor)
    directory.server.delete(f"uid=u2,{PEOPLE}")
    connection = directory.server.connect()
    changes = connection.search_s("cn=changelog", ldap.SCOPE_ONELEVEL, "(changeNumber=*)", ["changeNumber"])
    for dn, _ in changes:
        connection.delete_s(dn)
    connection.unbind_s()
    person(directory, "eve")
    directory.server.stop()
    directory.server.run()  # it starts to count from the current content
    directory.mirror.cursor = cursor
    mirror = await directory.follow()
    assert not mirror.has_user("u2")
    assert mirror.pulls == [0, 2]
    assert any("was trimmed" in str(entry.get("why")) for entry in directory.log.entries)


@pytest.mark.parametrize(("old", "new"), [("#cn=reader", "#cn=other"), ("localhost:", "elsewhere:"), ("#", "")])
async def test_a_cookie_that_is_not_ours(directory: Directory389, old: str, new: str) -> None:
    await directory.follow()
    assert old in str(directory.mirror.cursor)
    directory.mirror.cursor = str(directory.mirror.cursor).replace(old, new)
    assert (await directory.follow()).pulls == [0, 2]


async def test_a_server_without_the_plugins(directory: Directory389) -> None:
    directory.server.configure("cn=Content Synchronization,cn=plugins,cn=config", {"nsslapd-pluginEnabled": "off"})
    assert any(
        "strategy complete: the server does not report changes: enable its" in line for line in await directory.check()
    )
    await directory.follow()
    assert directory.mirror.cursor is None


async def test_everything_is_read_when_the_rules_may_read_anything(directory: Directory389) -> None:
    directory.reads = None
    mirror = await directory.follow()
    assert mirror.user("u1")["uid"] == "u1"
    assert mirror.user("u1")["active"] is True
    directory.server.modify(f"uid=u1,{PEOPLE}", {"title": "Countess", "nsAccountLock": "true"})
    assert (await directory.agrees()).user("u1")["active"] is False
