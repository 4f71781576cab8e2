"""How OpenLDAP tells what changed: present and delete phase, restarts, backups, and servers that do not tell."""

from __future__ import annotations

from collections.abc import Callable

import pytest

pytest.importorskip("ldap", reason="python-ldap is not installed (the extra ldap)")

from tests.connectors.ldap.directory import Directory
from tests.connectors.ldap.people import PEOPLE, READS, person
from tests.servers.slapd import company
from usersyncd.errors import SourceError
from usersyncd.plugin import Gone, Present

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


async def test_a_change_is_told_once_more_in_case_the_log_was_late(logged: Directory) -> None:
    """slapd counts a deletion before its accesslog holds it: asked in between, it would never tell."""
    await logged.follow()
    logged.server.delete(f"uid=u2,{PEOPLE}")
    for _ in range(2):
        pull = await logged.mirror.follow(logged.source())
        assert any(isinstance(item, Gone) for item in pull.items)


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
