"""``plan`` shows what dates will change, as docs/rules.md says."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from tests.cli.company import DIRECTORY, TARGET, Company
from tests.cli.running import Usersyncd

PAGE = (Path(__file__).parents[2] / "docs" / "rules.md").read_text(encoding="utf-8")
NOW = datetime(2026, 12, 1, 9, 30, tzinfo=UTC)


@pytest.fixture(autouse=True)
def _clock(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    with monkeypatch.context() as patch:
        patch.setenv("TZ", "UTC")
        time.tzset()
        patch.setattr("usersyncd.recording.now", lambda: NOW)
        yield
    time.tzset()


def end(company: Company, number: int) -> None:
    """Set the end date of the first people of the directory to 3 December."""
    company.configure(f"{DIRECTORY}{TARGET}    timezone: UTC\n")
    for each in range(1, number + 1):
        company.edit_row(f"u-{each:04}", lambda row: re.sub(r",(\d{4}-\d\d-\d\d),[^,]*,", r",\1,2026-12-03,", row))


def test_a_plan_says_what_is_due(usersyncd: Usersyncd, company: Company) -> None:
    end(company, 3)
    assert "  due by Fri 4 Dec: 3 deactivations\n" in usersyncd("plan").out
    [directory] = json.loads(usersyncd("plan", "--json").out)["directories"]
    assert directory["targets"][0]["upcoming"] == {
        "until": "2026-12-04T00:00:00+00:00", "create": 0, "update": 0, "deactivate": 3, "reactivate": 0, "delete": 0,
        "guard": [],
    }  # fmt: skip


def test_a_plan_warns_of_what_the_guard_will_hold_as_the_page_shows(usersyncd: Usersyncd, company: Company) -> None:
    end(company, 94)
    assert usersyncd("sync").code == 0
    ran = usersyncd("plan")
    [shown] = re.findall(r"```console\n\$ usersyncd plan\n(.*?)```", PAGE, re.DOTALL)
    assert (ran.code, untimed(ran.out)) == (0, untimed(shown))


def test_status_shows_the_next_date_of_each_target(usersyncd: Usersyncd, company: Company) -> None:
    end(company, 3)
    assert json.loads(usersyncd("status", "--json").out)["targets"][0]["next_due"] is None
    assert "next date" not in usersyncd("status").out
    assert usersyncd("sync").code == 0
    assert json.loads(usersyncd("status", "--json").out)["targets"][0]["next_due"] == "2026-12-04T00:00:00+00:00"
    assert usersyncd("status").out.endswith("\nnext change of app by a date: 2026-12-04 00:00:00\n")


def untimed(text: str) -> str:
    return re.sub(r"in \d+\.\d s", "in 0.0 s", text).rstrip()
