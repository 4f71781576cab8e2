"""``timezone`` of a target: a name, or the machine's own."""

from __future__ import annotations

from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
import tzlocal

from tests.config.writing import DESK, fault, loaded
from usersyncd.job import jobs

pytestmark = pytest.mark.usefixtures("acme")

SHELF = DESK + "targets:\n  shelf:\n    connector: acme-shelf\n    options: {height: 3}\n"


def test_a_target_names_its_time_zone(tmp_path: Path) -> None:
    config = loaded(tmp_path, SHELF + "    timezone: Asia/Kathmandu\n")
    assert config.targets["shelf"].timezone == ZoneInfo("Asia/Kathmandu")
    [delivery] = jobs(config)["desk"].targets
    [other] = jobs(loaded(tmp_path, SHELF + "    timezone: Asia/Tokyo\n"))["desk"].targets
    assert delivery.fingerprint != other.fingerprint, "who is active may be decided otherwise"


def test_without_a_timezone_the_machines_own_is_used(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TZ", "America/Caracas")
    tzlocal.reload_localzone()
    try:
        assert loaded(tmp_path, SHELF).targets["shelf"].timezone == ZoneInfo("America/Caracas")
    finally:
        monkeypatch.delenv("TZ")
        tzlocal.reload_localzone()


@pytest.mark.parametrize(
    ("zone", "says"),
    [
        ("Europe/Berlyn", "there is no time zone “Europe/Berlyn” on this machine: did you mean Europe/Berlin?"),
        ("Mars", "there is no time zone “Mars” on this machine: write a name such as Europe/Berlin"),
        ("../../etc/passwd", "there is no time zone “../../etc/passwd” on this machine"),
        ("Europe", "there is no time zone “Europe” on this machine"),
        ("2", "must be the name of a time zone, such as Europe/Berlin"),
    ],
)
def test_an_unknown_time_zone_is_a_fault(tmp_path: Path, zone: str, says: str) -> None:
    found = fault(tmp_path, SHELF + f"    timezone: {zone}\n")
    assert (found.line, found.column, found.path) == (8, 15, "targets.shelf.timezone")
    assert found.message.startswith(says)
