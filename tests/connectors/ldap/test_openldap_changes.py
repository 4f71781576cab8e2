"""How OpenLDAP reports changes: present and delete phase, restarts, backups, and servers that do not report them."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest

pytest.importorskip("ldap", reason="python-ldap is not installed (the extra ldap)")

import ldap

from tests.connectors.ldap.directory import Directory
from tests.connectors.ldap.people import PEOPLE, READS, person
from tests.servers.slapd import BASE, company
from usersyncd.errors import SourceError
from usersyncd.plugin import Kind, Present

Serve = Callable[..., Directory]


COMPANY = [*company(people=40, groups=4, memberships=30)]


@pytest.fixture(params=["present", "session", "accesslog"])
def directory(request: pytest.FixtureRequest, serve: Serve) -> Directory:
    """Every way in which the server may know what was deleted."""
    found = serve(*COMPANY, changes=request.param)
    found.reads = READS
    return found


@pytest.fixture
def logged(serve: Serve) -> Directory:
    found = serve(*COMPANY, changes="session")
    found.reads = READS
    return found


async def test_a_server_that_restarts_between_pulls(directory: Directory) -> None:
    """The session log is lost then: the server names all existing entries."""
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


async def test_remaining_entries_are_yielded_as_present_after_a_change(directory: Directory) -> None:
    """With a log or without: its deletions are not relied on."""
    await directory.follow()
    directory.server.delete(f"uid=u2,{PEOPLE}")
    pull = await directory.mirror.follow(directory.source())
    assert {type(item) for item in pull.items} == {Present}
    assert len(list(pull.items)) == 39 + 4
    assert pull.ends[0].complete


async def test_deletions_that_a_full_accesslog_lost(serve: Serve) -> None:
    """slapd deletes the entry although the log's database is full, and never reports the deletion."""
    directory = serve(*COMPANY, changes="accesslog", log_kilobytes=128)
    directory.reads = READS
    await directory.follow()
    for number in range(20):
        directory.server.delete(f"uid=u{number},{PEOPLE}")
    with directory.server.session() as session:
        logged = session.search_s("cn=log", ldap.SCOPE_SUBTREE, "(reqType=delete)", ["1.1"])
    assert len(logged) < 20
    mirror = await directory.agrees()
    assert not any(mirror.has_user(f"u{number}") for number in range(20))


async def test_a_crash_after_a_deletion_makes_the_next_pull_complete(directory: Directory) -> None:
    """What slapd counted last it knows from the entries that are left: our cookie is newer then."""
    await directory.follow()
    directory.server.delete(f"uid=u2,{PEOPLE}")
    assert not (await directory.agrees()).has_user("u2")
    directory.server.kill()
    directory.server.run()
    mirror = await directory.follow()
    assert mirror.pulls[1] == 2
    assert any("newer than provider" in str(entry.get("why")) for entry in directory.log.entries)
    person(directory, "eve")
    assert (await directory.agrees()).has_user("eve")


async def test_a_replica_that_is_behind_deletes_no_record(logged: Directory) -> None:
    """With several providers slapd does not refuse the cookie of one that was further."""
    configuration = logged.server.folder / "slapd.conf"
    configuration.write_text("serverID 1\n" + configuration.read_text())
    logged.server.stop()
    logged.server.run()
    logged.server.modify(f"uid=u1,{PEOPLE}", {"title": "Countess"})
    cursor = (await logged.follow()).cursor
    assert cursor is not None
    logged.mirror.cursor = re.sub(r"\d{4}(\d{10}\.\d{6}Z#000000#000#)", r"2999\1", cursor)
    assert logged.mirror.cursor != cursor
    logged.server.modify(f"uid=u1,{PEOPLE}", {"title": "Duchess"})
    logged.server.delete(f"uid=u2,{PEOPLE}")
    ahead = logged.mirror.cursor
    mirror = await logged.follow()
    assert mirror.pulls == [1, 1]
    assert mirror.user("u1")["title"] == "Duchess"
    assert mirror.has_user("u2")
    assert mirror.cursor == ahead
    assert any("changes of another one" in entry["event"] for entry in logged.log.entries)
    mirror.cursor = cursor  # it has caught up
    assert not (await logged.agrees()).has_user("u2")


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
    with pytest.raises(SourceError, match="does not support the strategy dirsync"):
        await directory.follow(strategy="dirsync")


async def test_check_describes_the_strategy(directory: Directory) -> None:
    lines = await directory.check()
    assert "strategy syncrepl: the overlay syncprov reports changes" in lines
    lines = await directory.check(strategy="complete")
    assert "strategy complete: set by the option strategy" in lines


async def test_a_size_limit_discards_an_incremental_pull(serve: Serve) -> None:
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


async def test_a_lock_on_a_replica_is_found_without_a_counted_change(serve: Serve) -> None:
    """slapo-ppolicy on a replica locks accounts after failed sign-ins there, and counts no change."""
    policy = f"dn: cn=policy,{BASE}\nobjectClass: device\nobjectClass: pwdPolicy\npwdAttribute: userPassword\n"
    policy += "pwdLockout: TRUE\npwdMaxFailure: 1\n\n"
    overlay = f"moduleload ppolicy\noverlay ppolicy\nppolicy_default cn=policy,{BASE}\n"
    provider = f'syncrepl rid=1 provider=ldap://127.0.0.1:1 searchbase="{BASE}" bindmethod=simple retry="60 +"\n'
    ada = f"dn: uid=ada,{PEOPLE}\nobjectClass: inetOrgPerson\ncn: Ada\nsn: Ada\nuserPassword: secret\n\n"
    directory = serve(*COMPANY, policy, ada, changes="session", database=overlay + provider)
    directory.reads = {Kind.USER: frozenset({"userName", "pwdAccountLockedTime"}), Kind.GROUP: frozenset({"cn"})}
    assert "pwdAccountLockedTime" not in (await directory.follow()).user("ada")
    with pytest.raises(ldap.INVALID_CREDENTIALS):
        ldap.initialize(directory.server.url).simple_bind_s(f"uid=ada,{PEOPLE}", "wrong")
    assert "pwdAccountLockedTime" in (await directory.follow()).user("ada")
