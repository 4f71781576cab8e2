"""uSNChanged on a real Active Directory (Samba): the count of one domain controller, and when it is not believed."""

from __future__ import annotations

from collections.abc import Callable

import pytest

pytest.importorskip("ldap", reason="python-ldap is not installed (the extra ldap)")

import msgspec

from tests.connectors.ldap.domain import Domain
from usersyncd.errors import SourceError
from usersyncd.plugin import Kind, Record


@pytest.fixture
def counted(domain: Domain) -> Domain:
    domain.options["strategy"] = "usn"
    return domain


async def test_a_pull_without_changes_yields_nothing(counted: Domain) -> None:
    await counted.follow()
    pull = await counted.mirror.follow(counted.source())
    assert list(pull.items) == []
    assert not pull.ends[0].complete


async def test_the_time_of_the_last_change_is_read(counted: Domain) -> None:
    """It belongs to the same controller as the count; DirSync does not have it."""
    ada = counted.server.add_user("ada")
    reads = {Kind.USER: frozenset({"userName", "modifyTimestamp"}), Kind.GROUP: frozenset({"cn"})}
    assert str((await counted.follow(reads=reads)).user("ada")["modifyTimestamp"]).endswith("Z")
    counted.server.modify(ada, {"title": "Countess"})
    pull = await counted.mirror.follow(counted.source(reads=reads))
    assert [item.attributes["userName"] for item in pull.items if isinstance(item, Record)] == ["ada"]
    assert "modifyTimestamp" not in (await counted.afresh(reads=reads, strategy="dirsync")).user("ada")


async def test_an_account_that_does_not_see_deletions_uses_complete_pulls(counted: Domain) -> None:
    counted.options["bind_dn"] = counted.server.reader_dn
    with pytest.raises(SourceError, match="does not see deletions"):
        await counted.follow()


async def test_an_account_that_may_no_longer_see_deletions(counted: Domain) -> None:
    await counted.follow()
    counted.options.update(bind_dn=counted.server.reader_dn, strategy="auto")
    await counted.follow()
    assert (await counted.follow()).pulls == [0, 3]


SUSPECT: dict[str, Callable[[dict[str, object]], object]] = {
    "another controller": lambda state: state.update(server="dc2.corp.example"),
    "a restored database": lambda state: state.update(invocation="00000000-0000-0000-0000-000000000000"),
    "a count from the future": lambda state: state.update(usn=10**9),
}


@pytest.mark.parametrize("what", SUSPECT)
async def test_a_count_that_is_not_this_servers(counted: Domain, what: str) -> None:
    assert (await counted.follow()).cursor is not None
    cursor = msgspec.json.decode(str(counted.mirror.cursor))
    SUSPECT[what](cursor["state"])
    counted.mirror.cursor = msgspec.json.encode(cursor).decode()
    ada = counted.server.add_user("ada")
    assert (await counted.follow()).pulls == [0, 2]
    counted.server.delete(ada)
    assert not (await counted.agrees()).has_user("ada")


async def test_a_domain_controller_restored_from_a_backup(counted: Domain) -> None:
    """An unsupported restore keeps the invocationId: only the lower count shows it."""
    server = counted.server
    server.stop()
    backup = server.backup()
    server.run()
    for number in range(3):
        server.add_user(f"u{number}")
    assert (await counted.follow()).has_user("u0")
    server.stop()
    server.restore(backup)
    server.run()
    mirror = await counted.follow()
    assert not mirror.has_user("u0")
    assert mirror.pulls == [0, 2]


async def test_the_next_domain_controller_is_asked_and_reads_everything(counted: Domain) -> None:
    counted.server.add_user("ada")
    await counted.follow()
    mirror = await counted.follow(url=["ldaps://127.0.0.1:1", counted.server.url])
    assert mirror.pulls == [1, 1]  # the same controller after all
