"""A pull from a server that is behind the last one neither deletes records nor restores deleted ones."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

pytest.importorskip("ldap", reason="python-ldap is not installed (the extra ldap)")

import ldap

from tests.connectors.ldap.directory import Directory, Directory389, Followed
from tests.connectors.ldap.domain import Domain
from tests.connectors.ldap.people import PEOPLE, READS, person
from tests.servers.ds389 import Ds389
from tests.servers.samba import Samba
from tests.servers.slapd import Slapd, company
from usersyncd.errors import SourceError
from usersyncd.testing import read

COMPANY = [*company(people=5, groups=1, memberships=3)]


@pytest.fixture(params=["alone", "one of several", "complete"])
def directory(request: pytest.FixtureRequest, serve: Callable[..., Directory], tmp_path: Path) -> Iterator[Directory]:
    """A provider, and a copy of it that gets no changes. With several providers slapd takes a cookie that is too new;
    alone it refuses it."""
    found = serve(*COMPANY, changes="session")
    found.reads = READS
    if request.param == "complete":
        found.options["strategy"] = "complete"
    if request.param == "one of several":
        configuration = found.server.folder / "slapd.conf"
        found.server.stop()
        configuration.write_text("serverID 1\n" + configuration.read_text())
        found.server.run()
        found.server.modify(f"uid=u1,{PEOPLE}", {"title": "Countess"})
    found.server.stop()
    copy = found.server.backup()
    found.server.run()
    replica = Slapd.start(tmp_path / "replica", changes="session")
    replica.stop()
    replica.restore(copy)
    replica.run()
    found.options["url"] = [found.server.url, replica.url]
    yield found
    replica.stop()


@pytest.fixture
def directory389(serve389: Callable[..., Directory389]) -> Iterator[Directory389]:
    """A supplier, and a copy of it that gets no changes."""
    found = serve389(*COMPANY)
    found.reads = READS
    found.server.replicate()
    found.server.stop()
    with TemporaryDirectory(prefix="ds389-") as folder:
        replica = Ds389.copied(Path(folder), found.server.data)
        found.server.run()
        found.options["url"] = [found.server.url, replica.url]
        yield found
        replica.kill()


@pytest.fixture(params=["dirsync", "usn"])
def corp(request: pytest.FixtureRequest, domain: Domain, tmp_path: Path) -> Iterator[Domain]:
    """A domain controller, and a copy of it that gets no changes."""
    domain.server.stop()
    copy = Samba.start(tmp_path / "copy", domain.server.data)
    domain.server.run()
    domain.options |= {"url": [domain.server.url, copy.url], "tls": {"verify": False}, "strategy": request.param}
    yield domain
    copy.stop()


async def is_not_read(directory: Followed, cursor: str | None) -> None:
    """Check that no pull reads from a copy that is behind, and that the log says so."""
    for known in (cursor, None):
        with pytest.raises(SourceError, match=r"no available server has all changes of ldaps?://"):
            await read(directory.source(), known)
    warnings = [entry for entry in directory.log.entries if "lacks changes of another one" in entry["event"]]
    assert [entry["log_level"] for entry in warnings] == ["warning", "warning"]


async def test_a_replica_of_openldap(directory: Directory) -> None:
    await directory.follow()
    person(directory, "eve")
    directory.server.delete(f"uid=u2,{PEOPLE}")
    cursor = (await directory.follow()).cursor
    directory.server.kill()
    await is_not_read(directory, cursor)
    directory.server.run()
    assert (await directory.follow()).has_user("eve")


async def test_a_replica_of_389(directory389: Directory389) -> None:
    await directory389.follow()
    person(directory389, "eve")
    cursor = (await directory389.follow()).cursor
    directory389.server.kill()
    await is_not_read(directory389, cursor)


async def test_a_copy_of_a_domain_controller(corp: Domain) -> None:
    await corp.follow()
    corp.server.add_user("eve")
    cursor = (await corp.follow()).cursor
    corp.server.kill()
    await is_not_read(corp, cursor)


@pytest.mark.parametrize("has_everything", [True, False])
async def test_another_domain_controller(domain: Domain, tmp_path: Path, has_everything: bool) -> None:
    """It has a count of its own; of the other one it has all up to a certain change."""
    with domain.server.session() as session:
        ((_, root),) = session.search_s("", ldap.SCOPE_BASE, attrlist=["dsServiceName", "highestCommittedUSN"])
        ((_, entry),) = session.search_s(root["dsServiceName"][0].decode(), ldap.SCOPE_BASE, attrlist=["invocationId"])
    domain.server.stop()
    other = Samba.start(tmp_path / "other", domain.server.data)
    usn = 2**40 if has_everything else int(root["highestCommittedUSN"][0])
    other.become_another(str(uuid.UUID(bytes_le=entry["invocationId"][0])), usn)
    domain.server.run()
    domain.options |= {"url": [domain.server.url, other.url], "tls": {"verify": False}}
    await domain.follow()
    domain.server.add_user("eve")
    cursor = (await domain.follow()).cursor
    domain.server.kill()
    try:
        if has_everything:
            other.add_user("eve")
            assert (await domain.follow()).has_user("eve")
        else:
            await is_not_read(domain, cursor)
    finally:
        other.stop()


async def test_a_replica_that_has_everything_is_read(directory: Directory) -> None:
    before = await directory.follow()
    directory.server.kill()
    mirror = await directory.follow()
    assert mirror.differences(before) == []
    assert not any("lacks changes of another one" in entry["event"] for entry in directory.log.entries)


async def test_changes_of_a_removed_server_are_not_waited_for(directory: Directory) -> None:
    person(directory, "eve")
    assert (await directory.follow()).has_user("eve")
    directory.server.kill()
    directory.options["url"] = directory.options["url"][1]
    assert not (await directory.follow()).has_user("eve")
