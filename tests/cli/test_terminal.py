"""At a terminal: tables that fit it, progress while a run goes on, and Ctrl-C."""

from __future__ import annotations

import codecs
import fcntl
import os
import pty
import re
import select
import signal
import struct
import subprocess
import sys
import termios
import time
from pathlib import Path

import pytest
from rich.cells import cell_len

from tests.cli.company import Company
from tests.cli.running import Usersyncd

PATIENCE = 60
SLOW = 5_000_000
"""The number of loop steps in a trigger that makes a delivery take a second or two."""


class Terminal:
    """``usersyncd`` at a terminal of 80 columns."""

    def __init__(self, folder: Path, *arguments: str) -> None:
        self._master, slave = pty.openpty()
        fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", 40, 80, 0, 0))
        environment = {name: value for name, value in os.environ.items() if name not in ("COLUMNS", "LINES")}
        code = "from usersyncd.cli import main; main()"
        self.process = subprocess.Popen(
            [sys.executable, "-c", code, *arguments],
            stdin=slave, stdout=slave, stderr=slave, cwd=folder, env=environment | {"TERM": "xterm"},
        )  # fmt: skip
        os.close(slave)
        self._decoder = codecs.getincrementaldecoder("utf-8")()
        self.written = ""

    def read(self, until: str | None = None) -> str:
        """Return what was written until a text appears; None: until the end."""
        deadline = time.monotonic() + PATIENCE
        while until is None or until not in self.written:
            ready, _, _ = select.select([self._master], [], [], max(deadline - time.monotonic(), 0))
            assert ready, f"nothing more came after {self.written!r}"
            try:
                data = os.read(self._master, 65536)
            except OSError:  # Linux raises this when the last writer has closed the terminal.
                break
            self.written += self._decoder.decode(data)
        return self.written

    def close(self) -> None:
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait(PATIENCE)
        os.close(self._master)


def lines(written: str) -> list[str]:
    """Return the lines without the escapes that set colours."""
    return re.sub(r"\x1b\[[0-9;]*m", "", written).replace("\r\n", "\n").splitlines()


@pytest.mark.parametrize("command", [["plan", "--all"], ["status"], ["history"]])
def test_everything_fits_80_columns_and_nothing_is_cut(
    usersyncd: Usersyncd, company: Company, command: list[str]
) -> None:
    company.edit_row("u-0001", lambda row: row.replace("Marguerite Oyelaran", "Marguerite" * 12))
    if command[0] != "plan":
        usersyncd("sync")
        company.keep("users.csv", 10)
        usersyncd("sync")
    terminal = Terminal(company.folder, *command)
    try:
        written = terminal.read()
    finally:
        terminal.close()
    assert "\x1b[" in written
    shown = lines(written.rpartition("\x1b[2K")[2])
    assert shown
    assert [line for line in shown if cell_len(line) > 80] == []
    assert not any("…" in line for line in shown)
    if command[0] == "plan":
        together = "".join(line.strip() for line in shown)
        assert "Marguerite" * 12 in together


def test_a_name_that_the_encoding_lacks_is_written_in_escapes(usersyncd: Usersyncd, company: Company) -> None:
    done = subprocess.run(
        [sys.executable, "-c", "from usersyncd.cli import main; main()", "plan"],
        cwd=company.folder, env=os.environ | {"PYTHONIOENCODING": "latin-1"}, capture_output=True, check=True,
    )  # fmt: skip
    assert rb"+ Stanis\u0142aw \u0179rebiec (u-0002)" in done.stdout
    assert "+ Aoife Ní Shúilleabháin (u-0005)".encode("latin-1") in done.stdout


def test_progress_is_shown_and_ctrl_c_ends_the_run_with_nothing_lost(usersyncd: Usersyncd, company: Company) -> None:
    usersyncd("sync")
    company.edit_row("u-0034", lambda row: row.replace("wolf.", "w."))
    numbers = f"WITH RECURSIVE n(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM n LIMIT {SLOW}) SELECT x FROM n"
    company.sql(f"CREATE VIEW slow AS {numbers}")
    company.sql("CREATE TRIGGER slow AFTER UPDATE ON users BEGIN SELECT count(*) FROM slow; END")
    terminal = Terminal(company.folder, "sync")
    try:
        terminal.read(until="app: delivering")
        terminal.process.send_signal(signal.SIGINT)
        written = "\n".join(lines(terminal.read()))
        assert terminal.process.wait(PATIENCE) == 130
    finally:
        terminal.close()
    assert "stopped. Nothing is lost" in written
    assert "Traceback" not in written
    assert "stopped before its end: the next run goes on from there" in usersyncd("status").out
    company.sql("DROP TRIGGER slow")
    company.sql("DROP VIEW slow")
    assert usersyncd("sync").code == 0
    assert company.sql("SELECT email FROM users WHERE id = 'u-0034'") == [("w.hausenbergerdorff@acme.example",)]
