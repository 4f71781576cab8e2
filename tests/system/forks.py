"""``usersyncd`` in a forked process. It does not import everything again, which takes longer than most runs."""

from __future__ import annotations

import multiprocessing
import os
import signal
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

FORKS = multiprocessing.get_context("forkserver")
FORKS.set_forkserver_preload(
    ["usersyncd.sync", "usersyncd.cli.run", "usersyncd.cli.runs", "usersyncd.daemon", "usersyncd_csv", "usersyncd_sql",
     "alembic.command"]
)  # fmt: skip


class Forked:
    """A command that runs, with what tests ask of a subprocess.Popen. ``log``: what it prints goes there; ``errors``:
    what it prints on standard error, if that is not to go there too. ``prepare`` is called before it begins."""

    def __init__(
        self,
        command: Sequence[str],
        log: Path,
        environment: Mapping[str, str],
        *,
        errors: Path | None = None,
        prepare: Callable[[], None] | None = None,
    ) -> None:
        more = {"errors": errors, "prepare": prepare}
        self._process = FORKS.Process(target=usersyncd, args=(command, log, environment), kwargs=more)
        self._process.start()
        self.pid = self._process.pid or 0

    def poll(self) -> int | None:
        return self._process.exitcode

    def wait(self, timeout: float | None = None) -> int:
        self._process.join(timeout)
        if (code := self._process.exitcode) is None:
            raise TimeoutError
        return code

    def send_signal(self, number: signal.Signals) -> None:
        if self.poll() is None:
            os.kill(self.pid, number)

    def kill(self) -> None:
        self._process.kill()


def usersyncd(
    command: Sequence[str],
    log: Path,
    environment: Mapping[str, str],
    *,
    stop: bool = False,
    errors: Path | None = None,
    prepare: Callable[[], None] | None = None,
) -> None:
    """Run the command in this process; ``stop``: as soon as somebody lets it go on."""
    from usersyncd.cli import main

    with log.open("ab") as said, (errors or log).open("ab") as warned, Path(os.devnull).open("rb") as nothing:
        os.dup2(nothing.fileno(), 0)
        os.dup2(said.fileno(), 1)
        os.dup2(warned.fileno(), 2)
    os.environ.clear()
    os.environ.update(environment)
    time.tzset()
    if stop:
        os.kill(os.getpid(), signal.SIGSTOP)
    if prepare is not None:
        prepare()
    sys.argv = list(command)
    main()
