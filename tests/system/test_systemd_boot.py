"""The unit under a real systemd: the daemon works in the sandbox of the unit."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import sysconfig
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.servers.process import missing, program
from tests.system.test_systemd import ROOT, UNIT

pytestmark = pytest.mark.slow

# Runs in the sandbox before the daemon does: every native library loads, and nothing else can be written.
SANDBOX = """
import importlib, sys
from pathlib import Path

for extra in ("keyring", "ldap", "psycopg", "pymysql", "cryptography.hazmat.bindings._rust"):
    try:
        importlib.import_module(extra)
    except ModuleNotFoundError:
        pass
for forbidden in ("/etc/usersyncd.test", "/var/tmp/../usersyncd.test", "/usr/usersyncd.test"):
    try:
        Path(forbidden).touch()
    except OSError:
        continue
    sys.exit(f"{forbidden} could be written")
"""

CONFIG = """
state: sqlite:////var/lib/usersyncd/state.db
directories:
  acme:
    connector: csv
    every: {every}
    options:
      users: /mnt/project/examples/acme/users.csv
      groups: /mnt/project/examples/acme/groups.csv
      members: /mnt/project/examples/acme/members.csv
targets:
  app:
    connector: sql
    options: {{url: "sqlite:////var/lib/usersyncd/app.db", create_tables: true}}
"""

DROP_IN = """
[Unit]
DefaultDependencies=no
[Service]
ExecStartPre={python} /mnt/test/sandbox.py
ExecStart=
ExecStart={python} -c "from usersyncd.cli import main; main()" -c /mnt/test/config.yaml run
Environment=PYTHONPATH=/mnt/packages:/mnt/project/src:/mnt/project/connectors PYTHONDONTWRITEBYTECODE=1
Environment=LD_LIBRARY_PATH=/mnt/python/lib
StandardError=append:/run/usersyncd.log
"""


NAMESPACES = ("--mount", "--pid", "--cgroup", "--net", "--uts", "--ipc")


class Manager:
    """A systemd that runs as process 1 of its own namespaces."""

    def __init__(self, folder: Path) -> None:
        unshare = [program("unshare", "util-linux"), *NAMESPACES, "--fork", "--mount-proc"]
        places = [str(folder), sys.base_prefix, sysconfig.get_path("purelib"), str(ROOT)]
        boot = ["bash", str(Path(__file__).with_name("boot.sh")), *places, UNIT.name]
        self._log = folder / "manager.log"
        with self._log.open("wb") as log:
            self._unshare = subprocess.Popen([*unshare, *boot], stdin=subprocess.DEVNULL, stdout=log, stderr=log)

    def _process(self) -> str | None:
        """The process that is 1 inside: the only child of unshare, once there is one."""
        children = Path(f"/proc/{self._unshare.pid}/task/{self._unshare.pid}/children").read_text().split()
        return children[0] if children else None

    def run(self, *command: str) -> str:
        """What a command inside says; nothing while there is no inside."""
        if (process := self._process()) is None:
            return ""
        enter = ["nsenter", "--target", process, *NAMESPACES]
        done = subprocess.run([*enter, *command], capture_output=True, text=True, check=False, timeout=60)
        return done.stdout + done.stderr

    def show(self, name: str) -> str:
        return self.run("systemctl", "show", "--property", name, "--value", UNIT.name).strip()

    def wait(self, what: str, holds: Callable[[], bool]) -> None:
        deadline = time.monotonic() + 120
        while not holds():
            if self._unshare.poll() is not None or time.monotonic() > deadline:
                inside = self.run("cat", "/run/usersyncd.log") + self.run("systemctl", "status", UNIT.name)
                pytest.fail(f"{what}\n{self._log.read_text()}\n{inside}")
            time.sleep(0.1)

    def stop(self) -> None:
        if (process := self._process()) is not None:
            os.kill(int(process), signal.SIGKILL)  # and with process 1 everything inside ends
        self._unshare.wait(10)


@pytest.fixture
def manager(tmp_path: Path) -> Iterator[Manager]:
    if os.geteuid() != 0:
        missing("booting systemd in namespaces needs root")
    program("systemctl", "systemd")
    units = tmp_path / "system"
    drop_in = units / f"{UNIT.name}.d" / "test.conf"
    drop_in.parent.mkdir(parents=True)
    shutil.copy(UNIT, units)
    drop_in.write_text(DROP_IN.format(python=f"/mnt/python/bin/python3.{sys.version_info.minor}"))
    (tmp_path / "sandbox.py").write_text(SANDBOX)
    (tmp_path / "config.yaml").write_text(CONFIG.format(every="1h"))
    tmp_path.chmod(0o755)
    started = Manager(tmp_path)
    try:
        yield started
    finally:
        started.stop()


def test_the_service_starts_reloads_and_stops_in_its_sandbox(manager: Manager, tmp_path: Path) -> None:
    manager.wait("the service did not become ready", lambda: manager.show("ActiveState") == "active")
    manager.wait("nothing arrived", lambda: "249 users created" in manager.run("cat", "/run/usersyncd.log"))
    manager.wait("it does not say what comes next", lambda: manager.show("StatusText").startswith("next: acme at "))

    process = Path("/proc") / manager.show("MainPID") / "status"
    held = dict(line.split(":\t", 1) for line in manager.run("cat", str(process)).splitlines())
    assert (held["CapEff"], held["NoNewPrivs"], held["Seccomp"]) == ("0000000000000000", "1", "2")
    assert held["Uid"].split()[0] != "0"

    (tmp_path / "config.yaml").write_text(CONFIG.format(every="soon"))
    assert manager.run("systemctl", "reload", UNIT.name) == ""
    manager.wait("the fault was not logged", lambda: "was not reloaded" in manager.run("cat", "/run/usersyncd.log"))
    (tmp_path / "config.yaml").write_text(CONFIG.format(every="2h"))
    assert manager.run("systemctl", "reload", UNIT.name) == ""
    manager.wait("it did not reload", lambda: "configuration reloaded" in manager.run("cat", "/run/usersyncd.log"))
    manager.wait("it is not ready again", lambda: manager.show("ActiveState") == "active")

    assert manager.run("systemctl", "stop", UNIT.name) == ""
    assert manager.show("Result") == "success"
    assert manager.show("StatusText").startswith("ending")
    assert "state.db" in manager.run("ls", "/var/lib/usersyncd/"), "the state survives the service"


def test_a_wrong_configuration_is_not_started_again(manager: Manager, tmp_path: Path) -> None:
    manager.wait("the service did not become ready", lambda: manager.show("ActiveState") == "active")
    (tmp_path / "config.yaml").write_text(CONFIG.format(every="soon"))
    assert "failed" in manager.run("systemctl", "restart", UNIT.name)
    assert (manager.show("ActiveState"), manager.show("ExecMainStatus"), manager.show("NRestarts")) == (
        "failed",
        "2",
        "0",
    )


IMPATIENT = f"""
mkdir -p /run/systemd/system/{UNIT.name}.d
printf '[Service]\\nWatchdogSec=2s\\nRestartSec=0\\n' >/run/systemd/system/{UNIT.name}.d/impatient.conf
systemctl daemon-reload && systemctl restart {UNIT.name}
"""


def test_a_daemon_that_hangs_is_started_again(manager: Manager) -> None:
    """The daemon feeds the watchdog while it works. A stopped process, like one that hangs, does not."""
    manager.wait("the service did not become ready", lambda: manager.show("ActiveState") == "active")
    manager.run("sh", "-c", IMPATIENT)
    time.sleep(5)
    assert (manager.show("ActiveState"), manager.show("NRestarts")) == ("active", "0")
    manager.run("kill", "-STOP", manager.show("MainPID"))
    manager.wait("it was not ended", lambda: manager.show("NRestarts") == "1")
    manager.wait("it was not started again", lambda: manager.show("ActiveState") == "active")
