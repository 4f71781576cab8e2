"""A server that is behind the one that was read last takes nobody for gone and brings nobody back."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

pytest.importorskip("ldap", reason="python-ldap is not installed (the extra ldap)")

from tests.connectors.ldap.directory import Directory
from tests.connectors.ldap.people import PEOPLE, READS, person
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


async def test_a_replica_that_is_behind_is_not_read(directory: Directory) -> None:
    await directory.follow()
    person(directory, "eve")
    directory.server.delete(f"uid=u2,{PEOPLE}")
    cursor = (await directory.follow()).cursor
    directory.server.kill()
    for known in (cursor, None):  # what changed, or everything
        with pytest.raises(SourceError, match=r"no server that answers has everything that ldap://.* told last"):
            await read(directory.source(), known)
    warnings = [entry for entry in directory.log.entries if "does not have yet" in entry["event"]]
    assert [entry["log_level"] for entry in warnings] == ["warning", "warning"]
    directory.server.run()
    assert (await directory.follow()).has_user("eve")


async def test_a_replica_that_has_everything_is_read(directory: Directory) -> None:
    before = await directory.follow()
    directory.server.kill()
    mirror = await directory.follow()
    assert mirror.differences(before) == []
    assert not any("does not have yet" in entry["event"] for entry in directory.log.entries)


async def test_a_server_that_was_taken_out_of_the_list_is_not_waited_for(directory: Directory) -> None:
    person(directory, "eve")
    assert (await directory.follow()).has_user("eve")
    directory.server.kill()
    directory.options["url"] = directory.options["url"][1]
    assert not (await directory.follow()).has_user("eve")
