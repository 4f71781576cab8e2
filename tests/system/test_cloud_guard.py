"""A cloud tenant that lists too little, or reports mass deletions: the run removes nobody."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from random import Random
from typing import Any

import pytest

pytest.importorskip("msal", reason="the extra entra is not installed")
pytest.importorskip("googleapiclient", reason="the extra google is not installed")

from tests.system.cloud import Cloud, Entra, Google
from tests.system.example import content
from usersyncd.config import load
from usersyncd.core.report import RunReport
from usersyncd.opening import open_state
from usersyncd.options import RunOptions
from usersyncd.sync import sync_directory
from usersyncd.testing import HurriedClock

CONFIG = """\
state: sqlite:///state.db
directories:
  cloud:
{directory}
targets:
  app:
    connector: sql
    options: {{url: sqlite:///app.db, create_tables: true}}
"""


@pytest.fixture
def entra() -> Iterator[Entra]:
    cloud = Entra(Random(1), HurriedClock())
    yield cloud
    cloud.stop()


@pytest.fixture
def google() -> Iterator[Google]:
    cloud = Google(Random(1), HurriedClock())
    yield cloud
    cloud.stop()


def one_run(folder: Path, *, complete: bool = False) -> RunReport:
    config = load(folder / "config.yaml")
    with closing(open_state(config)) as database:
        return asyncio.run(sync_directory(database, config, "cloud", RunOptions(complete=complete)))


def removes_nobody(cloud: Cloud, folder: Path, accident: Callable[[], object], *, complete: bool) -> RunReport:
    """Run after the accident, with the default guard, and check that nothing changed in the target."""
    (folder / "config.yaml").write_text(CONFIG.format(directory=cloud.configure(folder)))
    assert one_run(folder).status == "succeeded"
    before = content(folder)
    assert len(before["users"]) == 60
    accident()
    report = one_run(folder, complete=complete)
    assert report.status in ("held", "failed")
    assert content(folder) == before
    return report


def half(held: dict[str, Any]) -> None:
    for key in [*held][::2]:
        del held[key]


def test_entra_lists_no_users(entra: Entra, tmp_path: Path) -> None:
    report = removes_nobody(entra, tmp_path, entra.tenant.users.clear, complete=True)
    assert "lists no users, but every tenant has some" in str(report.error)


def test_entra_lists_and_counts_half_of_the_users(entra: Entra, tmp_path: Path) -> None:
    report = removes_nobody(entra, tmp_path, lambda: half(entra.tenant.users), complete=True)
    assert (report.status, report.targets[0].guard[0].limit) == ("held", "deactivations")


def test_entra_lists_no_groups(entra: Entra, tmp_path: Path) -> None:
    report = removes_nobody(entra, tmp_path, entra.tenant.groups.clear, complete=True)
    assert report.status == "held"


def test_entra_lists_groups_without_members(entra: Entra, tmp_path: Path) -> None:
    tenant = entra.tenant
    report = removes_nobody(
        entra, tmp_path, lambda: tenant.members.update({key: {} for key in tenant.groups}), complete=True
    )
    assert (report.status, [passed.limit for passed in report.targets[0].guard]) == ("held", ["member_removals"])


def test_entra_reports_most_users_as_deleted(entra: Entra, tmp_path: Path) -> None:

    def accident() -> None:
        for user in list(entra.tenant.users)[:50]:
            entra.tenant.delete(user)

    report = removes_nobody(entra, tmp_path, accident, complete=False)
    assert (report.status, report.targets[0].guard[0].limit) == ("held", "deactivations")


def test_entra_reports_all_memberships_as_removed(entra: Entra, tmp_path: Path) -> None:
    def accident() -> None:
        for group, held in entra.tenant.members.items():
            entra.tenant.leave(group, *list(held))

    report = removes_nobody(entra, tmp_path, accident, complete=False)
    assert (report.status, [passed.limit for passed in report.targets[0].guard]) == ("held", ["member_removals"])


@pytest.mark.parametrize(
    ("what", "complete"),
    [
        ("nobody", False),
        ("nobody", True),
        ("the subject alone", False),
        ("half", True),
        ("no group", False),
        ("no member", True),
    ],
)
def test_google_lists_too_little(google: Google, tmp_path: Path, what: str, complete: bool) -> None:
    tenant = google.tenant
    others = list(tenant.users)[1:]

    def accident() -> None:
        tenant.change(others[0])  # Otherwise the fake answers from its cached listings.
        if what == "nobody":
            tenant.users = {}
        elif what == "the subject alone":
            tenant.users = {key: user for key, user in tenant.users.items() if key not in others}
        elif what == "half":
            tenant.users = {key: user for key, user in tenant.users.items() if key not in others[::2]}
        elif what == "no group":
            tenant.groups = {}
        else:
            tenant.members = {group: {} for group in tenant.groups}

    report = removes_nobody(google, tmp_path, accident, complete=complete)
    assert report.status == ("failed" if what == "nobody" else "held"), report.error
