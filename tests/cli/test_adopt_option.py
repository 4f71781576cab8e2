"""``--adopt`` takes ids of records; without an id it means all. A directory's name after it is not taken as an id."""

from __future__ import annotations

import pytest

from tests.cli.company import DIRECTORY, Company
from tests.cli.running import Usersyncd
from usersyncd.cli import runs
from usersyncd.cli.names import RecordNames
from usersyncd.core.report import RunReport
from usersyncd.options import RunOptions

Asked = list[tuple[list[str], frozenset[str]]]


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch, company: Company) -> Asked:
    """The directories and consents that the commands pass on. No run starts."""
    company.configure(DIRECTORY + "  hr: {connector: csv, options: {users: acme/users.csv}}\n")
    found: Asked = []

    def run(self: runs.DirectoryRuns, asked: RunOptions) -> list[tuple[RunReport, RecordNames]]:
        found.append((list(self.directories), asked.adopt))
        return []

    monkeypatch.setattr(runs.DirectoryRuns, "run", run)
    monkeypatch.setattr(runs.DirectoryRuns, "check_adopted_ids", lambda self: None)
    return found


@pytest.mark.parametrize("command", ["plan", "sync"])
@pytest.mark.parametrize(
    ("arguments", "directories", "adopt"),
    [
        ("", "acme hr", ""),
        ("--adopt", "acme hr", "*"),
        ("--adopt --json", "acme hr", "*"),
        ("hr --adopt", "hr", "*"),
        ("--adopt hr", "hr", "*"),
        ("--adopt hr acme", "acme hr", "*"),
        ("hr --adopt u-1", "hr", "u-1"),
        ("--adopt u-1 hr", "hr", "u-1"),
        ("--adopt u-1 --adopt=-2 hr", "hr", "u-1 -2"),
        ("--adopt --complete hr", "hr", "*"),
        ("--adopt -- hr", "hr", "*"),
    ],
)
def test_adopt_takes_ids_or_means_all(
    usersyncd: Usersyncd, asked: Asked, command: str, arguments: str, directories: str, adopt: str
) -> None:
    ran = usersyncd(command, *arguments.split())
    assert ran.code == 0, ran.err
    ((ran_directories, consents),) = asked
    assert sorted(ran_directories) == directories.split()
    assert consents == frozenset(adopt.split())


def test_the_help_says_what_it_takes(usersyncd: Usersyncd, company: Company) -> None:
    assert "--adopt" in usersyncd("sync", "--help").out
