"""The daemon as a process: it delivers what it pulls, limits faults to their directory or target, and obeys signals."""

from __future__ import annotations

import signal
import socket
import sqlite3
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from itertools import pairwise
from pathlib import Path

import pytest

from tests.system.daemon import PATIENCE, Manager, daemon
from tests.system.example import company, configure, content, edit, query

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="signals and systemd's socket as Linux has them")


def test_the_example_and_an_edit_arrive_and_later_runs_change_nothing(tmp_path: Path) -> None:
    acme = company(tmp_path)
    with daemon(configure(tmp_path, {"acme": "1s"}), real=True) as running:
        running.wait("nothing arrived", running.deliveries)
        assert query(tmp_path, "SELECT count(*) FROM users") == [(249,)]
        edit(acme / "users.csv", "Aoife Ní Shúilleabháin,true,Employee", "Aoife Ní Shúilleabháin,true,Boss")
        changed = "SELECT user_type FROM users WHERE id = 'u-0005'"
        running.wait("the edit did not arrive", lambda: query(tmp_path, changed) == [("Boss",)])
        running.wait_for_run()
        assert len(running.said("1 user updated")) == 1
        assert running.said("nothing to change")
        assert running.end(signal.SIGTERM)[0] == 0
    assert running.lines()[-1]["event"] == "ended"


def test_a_broken_file_changes_nothing_and_a_repaired_one_is_delivered(tmp_path: Path) -> None:
    users = company(tmp_path) / "users.csv"
    whole = users.read_text()
    with daemon(configure(tmp_path, {"acme": "1s"})) as running:
        running.wait("nothing arrived", running.deliveries)
        before = content(tmp_path)
        users.write_text(whole[:3000])
        running.wait_for_pull(status="failed")
        [refused, *_] = running.said("users.csv:15: the row has", level="error")
        assert "→" in refused["faults"][0], "the log has no remedy"
        assert content(tmp_path) == before
        users.write_text(whole.replace("Aoife,Ní", "Aífe,Ní"))
        name = "SELECT given_name FROM users WHERE id = 'u-0005'"
        running.wait("it did not recover", lambda: query(tmp_path, name) == [("Aífe",)])


def test_half_a_file_is_held_and_nothing_delivered(tmp_path: Path) -> None:
    users = company(tmp_path) / "users.csv"
    with daemon(configure(tmp_path, {"acme": "1s"})) as running:
        running.wait("nothing arrived", running.deliveries)
        before = content(tmp_path)
        users.write_text("".join(users.read_text().splitlines(keepends=True)[:120]))
        running.wait("it was not held", lambda: running.deliveries("held"))
        assert running.said("HELD, nothing was delivered", level="warning")
        assert content(tmp_path) == before


def test_a_wrong_configuration_ends_with_2_and_names_the_place(tmp_path: Path) -> None:
    config = configure(tmp_path, {"acme": "1 s"})
    with daemon(config, real=True) as running:
        assert running.process.wait(PATIENCE) == 2
        [fault, end] = running.lines()
    assert fault["event"].startswith(f"{config}:5:12: directories.acme.every: must be a duration")
    assert (fault["level"], end["event"]) == ("error", "usersyncd cannot start")


def test_a_state_database_that_cannot_be_opened_ends_with_1(tmp_path: Path) -> None:
    company(tmp_path)
    (tmp_path / "state.db").write_text("this is not a database, and never was one")
    with daemon(configure(tmp_path, {"acme": "1s"})) as running:
        assert running.process.wait(PATIENCE) == 1
        assert running.said("usersyncd cannot start", "state.db", level="error")


def test_a_log_that_cannot_be_written_stops_nothing(tmp_path: Path) -> None:
    acme = company(tmp_path)
    with daemon(configure(tmp_path, {"acme": "1s"}), output=Path("/dev/full"), real=True) as running:
        kind = "SELECT user_type FROM users WHERE id = 'u-0005'"
        running.wait("nothing arrived", lambda: query(tmp_path, kind))
        edit(acme / "users.csv", "Aoife Ní Shúilleabháin,true,Employee", "Aoife Ní Shúilleabháin,true,Boss")
        running.wait("it did not go on", lambda: query(tmp_path, kind) == [("Boss",)])
        assert running.end()[0] == 0


# ---- directories beside each other


@pytest.fixture
def silent() -> Iterator[int]:
    """A port that takes connections and never says anything."""
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        server.listen(50)
        yield server.getsockname()[1]


SILENT = """\
  silent:
    connector: ldap
    every: 1s
    options: {{url: "ldap://127.0.0.1:{port}", base: "dc=acme,dc=example"}}
"""


def test_a_directory_that_hangs_delays_no_other_and_not_the_end(tmp_path: Path, silent: int) -> None:
    pytest.importorskip("ldap")
    company(tmp_path)
    config = configure(tmp_path, {"acme": "1s"}, more=SILENT.format(port=silent))
    with daemon(config) as running:
        running.wait("acme did not go on", lambda: running.pulls() >= 4 and running.deliveries() >= 2)
        hangs = running.said("takes longer than its interval", level="warning")
        assert any(one["directory"] == "silent" for one in hangs)  # On a busy machine, acme may, too.
        code, seconds = running.end()
        assert code == 0
        assert seconds < 8
        assert running.said("silent", "stopped before its end", level="info")


def test_a_second_signal_ends_at_once(tmp_path: Path, silent: int) -> None:
    pytest.importorskip("ldap")
    with daemon(configure(tmp_path, {}, more=SILENT.format(port=silent))) as running:
        running.wait("it did not hang", lambda: running.said("takes longer than its interval"))
        running.process.send_signal(signal.SIGTERM)
        running.wait("it did not hear", lambda: running.said("ending; these runs are cancelled: silent"))
        code, seconds = running.end(signal.SIGINT)
        assert code == -signal.SIGINT
        assert seconds < 8


@contextmanager
def busy(target: Path) -> Iterator[Callable[[], object]]:
    """Lock the target, as another program that writes does. A delivery waits until the yielded function is called."""
    with closing(sqlite3.connect(target, isolation_level=None)) as other:
        other.execute("PRAGMA journal_mode = WAL")
        other.execute("BEGIN IMMEDIATE")
        yield lambda: other.execute("COMMIT")


def test_two_daemons_never_pull_a_directory_or_deliver_to_a_target_at_once(tmp_path: Path) -> None:
    """A lock on the target keeps the first daemon in its delivery, so the second finds it running."""
    company(tmp_path)
    config = configure(tmp_path, {"acme": "1s"})
    with busy(tmp_path / "app.db") as release, daemon(config) as first:
        first.wait("it did not begin", lambda: (tmp_path / "state.db.to.app.lock").exists())
        with daemon(config) as second:
            locked = "another process is delivering to this target"
            second.wait("it was not kept out", lambda: len(second.said(locked, level="warning")) >= 2)
            assert not second.deliveries()
            release()
            first.wait("the first did not go on", first.deliveries)
            first.end()
            second.wait("the second did not take over", second.deliveries)
            second.end()
    with closing(sqlite3.connect(tmp_path / "state.db")) as state:
        query = "SELECT started, finished FROM runs WHERE subject = ? ORDER BY started"
        for subject in ("acme", "app"):
            runs = state.execute(query, [subject]).fetchall()
            assert len(runs) >= 2
            assert all(before[1] <= after[0] for before, after in pairwise(runs))


# ---- reloading


def test_a_reload_applies_a_valid_file_and_refuses_a_wrong_one(tmp_path: Path) -> None:
    for name in ("acme", "berlin"):
        company(tmp_path, name)
    config = configure(tmp_path, {"acme": "1s"})
    with daemon(config) as running:
        running.wait("nothing arrived", running.deliveries)

        config.write_text(config.read_text().replace("every: 1s", "evry: 1s"))
        running.process.send_signal(signal.SIGHUP)
        running.wait("the fault was not logged", lambda: running.said("was not reloaded", level="error"))
        assert running.said(f"{config}:5:5: directories.acme.evry", level="error")
        running.wait_for_run()

        configure(tmp_path, {"berlin": "1h"})
        directories = "SELECT directory, count(*) FROM users GROUP BY 1"
        running.process.send_signal(signal.SIGHUP)
        running.wait("the new directory did not arrive at once", lambda: len(query(tmp_path, directories)) == 2)
        [reloaded] = running.said("configuration reloaded")
        assert (reloaded["added"], reloaded["changed"], reloaded["removed"]) == (["berlin"], [], ["acme"])
        assert query(tmp_path, directories) == [("acme", 249), ("berlin", 249)]

        pulls = running.pulls("acme")
        rule = "connector: csv\n    attributes: {title: department}\n"
        config.write_text(config.read_text().replace("connector: csv\n", rule))
        running.process.send_signal(signal.SIGHUP)
        title = "SELECT title FROM users WHERE directory = 'berlin' AND id = 'u-0005'"
        running.wait("the new rule did not arrive", lambda: query(tmp_path, title) == [("Marketing",)])
        assert running.pulls("acme") == pulls, "a directory that was taken out ran again"


def test_after_a_reload_an_unchanged_directory_keeps_its_schedule(tmp_path: Path) -> None:
    company(tmp_path)
    config = configure(tmp_path, {"acme": "1h"})
    with daemon(config) as running:
        running.wait("nothing arrived", running.deliveries)
        config.write_text("# a comment moves every line\n" + config.read_text())
        running.process.send_signal(signal.SIGHUP)
        running.wait("it did not reload", lambda: running.said("configuration reloaded"))
        [reloaded] = running.said("configuration reloaded")
        assert (reloaded["changed"], reloaded["targets"]) == ([], [])
        time.sleep(0.3)
        assert (running.pulls(), running.deliveries()) == (1, 1)


def test_a_run_under_way_ends_under_the_old_configuration_and_runs_again(tmp_path: Path) -> None:
    company(tmp_path)
    config = configure(tmp_path, {"acme": "1h"})
    with busy(tmp_path / "app.db") as release, daemon(config) as running:
        running.wait("it did not begin", lambda: (tmp_path / "state.db.to.app.lock").exists())
        config.write_text(
            config.read_text().replace("connector: sql\n", "connector: sql\n    groups: {where: 'false'}\n")
        )
        running.process.send_signal(signal.SIGHUP)
        running.wait("it did not reload", lambda: running.said("configuration reloaded"))
        release()
        running.wait("it did not run again", lambda: len(running.said('"target": "app"', '"status"')) >= 2)
        first, second, *_ = running.said('"target": "app"', '"status"')
        assert (first["cause"], second["cause"]) == ("pull", "reload")
        assert running.pulls() == 1, "only the rules of the target changed"
        assert "20 groups created" in first["event"]
        assert second["status"] == "held", "the rules exclude all groups, and the guard holds that"


def test_another_state_database_needs_a_restart(tmp_path: Path) -> None:
    company(tmp_path)
    config = configure(tmp_path, {"acme": "1s"})
    with daemon(config) as running:
        running.wait("nothing arrived", running.deliveries)
        config.write_text(config.read_text().replace("state.db", "other.db"))
        running.process.send_signal(signal.SIGHUP)
        running.wait("it did not say so", lambda: running.said("until usersyncd is restarted", level="warning"))
        running.wait_for_run()
        assert not (tmp_path / "other.db").exists()


# ---- systemd


def test_systemd_gets_ready_status_watchdog_reload_and_stop(tmp_path: Path) -> None:
    company(tmp_path)
    manager = Manager(tmp_path)
    config = configure(tmp_path, {"acme": "1s"})
    with daemon(config, NOTIFY_SOCKET=str(manager.path), WATCHDOG_USEC="400000") as running:
        running.wait("not ready", lambda: manager.heard("READY"))
        assert manager.heard()[0]["STATUS"].startswith("next: acme at ")
        running.wait("no sign of life", lambda: len(manager.heard("WATCHDOG")) >= 4)
        running.wait("no status", lambda: running.deliveries() and len(manager.heard("STATUS")) >= 2)

        (tmp_path / "acme" / "users.csv").unlink()
        failed = lambda: any("acme failed" in message["STATUS"] for message in manager.heard("STATUS"))  # noqa: E731
        running.wait("the failure is not in the status", failed)

        running.process.send_signal(signal.SIGHUP)
        running.wait("not ready again", lambda: len(manager.heard("READY")) >= 2)
        [reloading] = manager.heard("RELOADING")
        assert reloading["MONOTONIC_USEC"].isdecimal()
        said = [next(iter(message)) for message in manager.heard()]
        assert said.index("RELOADING") < len(said) - 1 - said[::-1].index("READY")

        assert running.end()[0] == 0
        [stopping] = manager.heard("STOPPING")
        assert stopping["STATUS"].startswith("ending")
        assert manager.heard("STATUS")[-1] == stopping
    manager.close()


def test_systemd_gets_no_schedule_once_the_daemon_is_ending(tmp_path: Path) -> None:
    company(tmp_path)
    manager = Manager(tmp_path)
    config = configure(tmp_path, {"acme": "1h"})
    with busy(tmp_path / "app.db"), daemon(config, NOTIFY_SOCKET=str(manager.path)) as running:
        preparing = lambda: any("preparing" in message["STATUS"] for message in manager.heard("STATUS"))  # noqa: E731
        running.wait("the delivery does not prepare", preparing)
        assert running.end()[0] == 0
        assert manager.heard("STATUS")[-1] == {"STOPPING": "1", "STATUS": "ending app"}
    manager.close()


STUBBORN = """
import asyncio
from usersyncd.plugin import Options


class Stubborn:
    api = 2
    Options = Options
    mapping = {}

    def __init__(self, options, context):
        pass

    async def pull(self, cursor):
        while True:
            try:
                await asyncio.sleep(3600)
            except asyncio.CancelledError:
                pass
        yield []

    async def check(self):
        return []
"""


@pytest.mark.slow
def test_the_daemon_ends_although_a_connector_ignores_cancellation(tmp_path: Path) -> None:
    (tmp_path / "stubborn.py").write_text(STUBBORN)
    package = tmp_path / "stubborn-1.dist-info"
    package.mkdir()
    (package / "METADATA").write_text("Metadata-Version: 2.1\nName: stubborn\nVersion: 1\n")
    (package / "entry_points.txt").write_text("[usersyncd.sources]\nstubborn = stubborn:Stubborn\n")
    company(tmp_path)
    config = configure(tmp_path, {"acme": "1s"}, more="  other: {connector: stubborn, every: 1s}\n")
    with daemon(config, real=True, PYTHONPATH=str(tmp_path)) as running:
        running.wait("acme did not go on", lambda: running.deliveries() >= 2)
        code, seconds = running.end()
    assert code == 0
    assert seconds < 12
    assert running.said("a run did not end in time and is abandoned", level="warning")
