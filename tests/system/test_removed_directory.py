"""A directory is removed from the file while the daemon runs: its people leave, within the guard."""

from __future__ import annotations

import signal
import sys
from pathlib import Path

import pytest

from tests.system.daemon import daemon
from tests.system.example import TARGETS, company, configure, query

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="signals as Linux has them")

ACTIVE = "SELECT count(*) FROM users WHERE active AND directory = 'berlin'"
NO_GUARD = TARGETS + "    guard: {at_least: 1000}\n"


def have_arrived(folder: Path) -> bool:
    """Return whether berlin has as many active users as acme, which has the same people."""
    count = "SELECT sum(active AND directory = 'berlin'), sum(active AND directory = 'acme') FROM users"
    return any(berlin and berlin == acme for berlin, acme in query(folder, count))


def test_people_of_a_removed_directory_leave_and_it_is_not_pulled_any_more(tmp_path: Path) -> None:
    for name in ("acme", "berlin"):
        company(tmp_path, name)
    with daemon(configure(tmp_path, {"acme": "1s", "berlin": "1s"}, targets=NO_GUARD)) as running:
        running.wait("nothing arrived", lambda: have_arrived(tmp_path) and running.deliveries())
        [(everybody,)] = query(tmp_path, ACTIVE)
        configure(tmp_path, {"acme": "1s"}, targets=NO_GUARD)
        running.process.send_signal(signal.SIGHUP)
        running.wait("its people did not leave", lambda: query(tmp_path, ACTIVE) == [(0,)])
        running.wait("it was not logged", lambda: running.said(f"berlin, which leaves: {everybody} users deactivated"))
        running.wait_for_run("acme")
        pulls = running.pulls("berlin")
        running.wait_for_run("acme")
        assert running.pulls("berlin") == pulls
        assert len(running.said("berlin, which leaves")) == 1
        configure(tmp_path, {"acme": "1s", "berlin": "1s"}, targets=NO_GUARD)
        running.process.send_signal(signal.SIGHUP)
        running.wait("it did not come back", lambda: have_arrived(tmp_path))


def test_the_guard_holds_a_directory_that_was_removed_before_the_start(tmp_path: Path) -> None:
    for name in ("acme", "berlin"):
        company(tmp_path, name)
    with daemon(configure(tmp_path, {"acme": "1s", "berlin": "1s"})) as running:
        running.wait("nothing arrived", lambda: have_arrived(tmp_path) and running.deliveries())
    with daemon(configure(tmp_path, {"acme": "1s"})) as running:
        running.wait("it was not held", lambda: running.deliveries("held"))
        assert have_arrived(tmp_path)
