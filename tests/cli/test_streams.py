"""A failed write to standard output or error: the command does its work, then one line and the exit code report it."""

from __future__ import annotations

import io
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, TextIO

import pytest

from tests.cli.company import DIRECTORY, TARGET, Company
from tests.cli.running import Usersyncd

SECOND = DIRECTORY.replace("directories:\n  acme", "  other")


def full() -> TextIO:
    return Path("/dev/full").open("w", encoding="utf-8")


def unread() -> TextIO:
    """A pipe whose reading end is closed."""
    reader, writer = os.pipe()
    os.close(reader)
    return os.fdopen(writer, "w", encoding="utf-8")


@pytest.fixture
def companies(company: Company) -> Company:
    company.configure(DIRECTORY + SECOND + TARGET)
    return company


COMMANDS = [
    ["plan"], ["plan", "--json"], ["sync", "--json"], ["status"], ["status", "--json"], ["history"],
    ["history", "--json"], ["check"], ["check", "--json"], ["accounts", "--csv"], ["schema"], ["connectors"],
    ["--version"], ["--help"],
]  # fmt: skip


@pytest.mark.parametrize(
    ("command", "broken", "why"),
    [
        (["sync"], full, "No space left on device"),
        (["sync"], unread, "Broken pipe"),
        *((command, unread, "Broken pipe") for command in COMMANDS),
    ],
)
def test_the_command_does_its_work_and_says_that_output_is_missing(
    usersyncd: Usersyncd,
    companies: Company,
    monkeypatch: pytest.MonkeyPatch,
    command: list[str],
    broken: Callable[[], TextIO],
    why: str,
) -> None:
    with broken() as out, monkeypatch.context() as changed:
        changed.setattr(sys, "stdout", out)
        ran = usersyncd(*command)
    assert ran.code == 1
    last = ran.err.splitlines()[-1]
    assert last.startswith(f"standard output could not be written ({why}): ")
    assert "Traceback" not in ran.err
    if command[0] == "sync":
        assert companies.sql("SELECT DISTINCT directory FROM users ORDER BY 1") == [("acme",), ("other",)]


def test_a_failed_write_to_standard_error_fails_the_command_too(
    usersyncd: Usersyncd, companies: Company, monkeypatch: pytest.MonkeyPatch
) -> None:
    with full() as err, monkeypatch.context() as changed:
        changed.setattr(sys, "stderr", err)
        ran = usersyncd("sync", "--json")  # It logs each run.
    assert ran.code == 1
    assert ran.out.startswith("{")
    assert companies.sql("SELECT DISTINCT directory FROM users ORDER BY 1") == [("acme",), ("other",)]


def test_a_command_that_fails_keeps_its_own_exit_code(
    usersyncd: Usersyncd, company: Company, monkeypatch: pytest.MonkeyPatch
) -> None:
    company.configure("nonsense")
    with full() as err, monkeypatch.context() as changed:
        changed.setattr(sys, "stderr", err)
        assert usersyncd("sync").code == 2


@pytest.mark.parametrize("closed", [">&-", "<&- >&- 2>&-"])
def test_a_closed_stream_is_never_replaced_by_another_file(company: Company, closed: str) -> None:
    """The next file that is opened has its number, unless something else takes it."""
    code = "from usersyncd.cli import main; main()"
    done = subprocess.run(
        f'exec "{sys.executable}" -c "{code}" sync {closed}',
        shell=True, cwd=company.folder, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 1
    assert "Traceback" not in done.stderr
    if closed == ">&-":
        assert done.stderr.startswith("standard output could not be written (it is closed): ")
    assert len(company.people()) > 200
    for file in ("app.db", "usersyncd.db"):
        assert (company.folder / file).read_bytes().startswith(b"SQLite format 3\0")


class Watched(io.RawIOBase):
    """Standard output that calls ``act`` with every piece of text as it is written."""

    def __init__(self, act: Callable[[str], object]) -> None:
        self._act = act

    def writable(self) -> bool:
        return True

    def write(self, data: Any) -> int:
        self._act(bytes(data).decode())
        return len(data)


def watched(act: Callable[[str], object]) -> TextIO:
    return io.TextIOWrapper(io.BufferedWriter(Watched(act)), encoding="utf-8")


def test_each_check_is_printed_before_the_next_one(
    usersyncd: Usersyncd, companies: Company, monkeypatch: pytest.MonkeyPatch
) -> None:
    printed: list[str] = []

    def lose_the_file(text: str) -> None:
        printed.append(text)
        if "directory acme" in text:
            (companies.folder / "acme" / "users.csv").unlink()

    with monkeypatch.context() as changed:
        changed.setattr(sys, "stdout", watched(lose_the_file))
        assert usersyncd("check", "--online").code == 1
    assert "\ndirectory acme (csv): ok\n" in printed
    assert "\ndirectory other (csv): failed\n" in printed


def test_the_accounts_of_a_target_are_printed_before_the_next_target(usersyncd: Usersyncd, company: Company) -> None:
    lost = TARGET.replace("targets:\n  app", "  lost").replace("app.db", "lost.db")
    company.configure(DIRECTORY + TARGET + lost)
    (company.folder / "lost.db").write_text("this is not a database, and never was one")
    ran = usersyncd("accounts")
    assert ran.code == 1
    assert ran.out == "target app: no objects without a link\n\n"
    assert "lost" in ran.err
