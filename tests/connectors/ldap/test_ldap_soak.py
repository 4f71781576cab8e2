"""The promise of an incremental pull: after any number of them, the snapshot is what a complete pull would say.

The directory changes at random while it is pulled, and its server is restarted between pulls. The short version runs
with all tests; the long one (``make test-slow``) for an hour with each kind of server, or ``USERSYNCD_SOAK_MINUTES``.
"""

from __future__ import annotations

import asyncio
import os
import threading
import time

import pytest

pytest.importorskip("ldap", reason="python-ldap is not installed (the extra ldap)")

from tests.connectors.ldap.directory import Directory, Directory389
from tests.connectors.ldap.domain import Domain
from tests.connectors.ldap.people import READS
from tests.connectors.ldap.soak import Life

SECONDS = 60 * float(os.environ.get("USERSYNCD_SOAK_MINUTES", "60"))
KINDS = ["openldap-present", "openldap-session", "openldap-accesslog", "389", "dirsync", "usn"]


@pytest.fixture(params=KINDS)
def subject(request: pytest.FixtureRequest) -> Directory | Directory389 | Domain:
    found: Directory | Directory389 | Domain
    match request.param.split("-"):
        case ["openldap", changes]:
            found = request.getfixturevalue("serve")(changes=changes)
            found.reads = READS
        case ["389"]:
            found = request.getfixturevalue("serve389")()
            found.reads = READS
        case [strategy]:
            found = request.getfixturevalue("domain")
            found.options["strategy"] = strategy
    bases = [f"OU=one,{found.server.base}", f"OU=two,{found.server.base}"]
    found.options |= {"users": {"base": bases}, "groups": {"base": bases}}
    return found


async def test_following_random_changes_ends_where_a_complete_pull_does(
    subject: Directory | Directory389 | Domain,
) -> None:
    await follow_life(subject, seconds=4, rounds_between_restarts=5)


@pytest.mark.slow
async def test_following_random_changes_for_an_hour(subject: Directory | Directory389 | Domain) -> None:
    await follow_life(subject, seconds=SECONDS, rounds_between_restarts=100)


async def follow_life(subject: Directory | Directory389 | Domain, seconds: float, rounds_between_restarts: int) -> None:
    life = Life(subject.server, seed=7, people=30, groups=5)
    await asyncio.sleep(1.1)  # OpenLDAP's times have seconds: the units must not look as if they were renamed
    await subject.follow()
    deadline, rounds, kills = time.monotonic() + seconds, 0, 0
    while rounds <= rounds_between_restarts or time.monotonic() < deadline:  # one restart at least, however slow it is
        rounds += 1
        if rounds % rounds_between_restarts == 0:
            (subject.server.kill if rounds % 2 else subject.server.stop)()
            kills += rounds % 2
            subject.server.run()
        with changing(life):
            for _ in range(3):
                await subject.follow()
        await subject.follow()  # now it holds still
        differences = subject.mirror.differences(await subject.afresh())
        assert not differences, f"after {life.steps} changes and {rounds} rounds:\n" + "\n".join(differences)
    complete = [str(entry["why"]) for entry in subject.log.entries if "why" in entry]
    # A slapd that is killed forgets that it counted a deletion, if that came last: our cookie is too new then.
    forgotten = [why for why in complete if "newer than provider" in why]
    assert complete == forgotten  # every other pull was incremental
    assert len(forgotten) <= kills
    # An entry that is created and deleted during a response is named but never sent: the next pull is complete.
    assert subject.mirror.doubts <= 1 + life.steps // 1000


class changing:
    """While this lasts, changes are made in a thread, one after the other."""

    def __init__(self, life: Life) -> None:
        self._life = life
        self._stop = threading.Event()
        self._error: BaseException | None = None
        self._thread = threading.Thread(target=self._run)

    def __enter__(self) -> None:
        self._thread.start()

    def __exit__(self, *exception: object) -> None:
        self._stop.set()
        self._thread.join()
        if self._error is not None:
            raise self._error

    def _run(self) -> None:
        try:
            for _ in range(5):
                self._life.step()
            while not self._stop.is_set():
                self._life.step()
        except BaseException as error:
            self._error = error
