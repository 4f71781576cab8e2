"""``verify`` and ``drift`` of a target: when it is compared with what was delivered, and what stays as it is there."""

from __future__ import annotations

from datetime import UTC, datetime, time, timedelta
from pathlib import Path

import pytest

from tests.config.writing import DESK, fault, loaded
from usersyncd.config import Complete, TargetConfig
from usersyncd.core.model import DriftPolicy

pytestmark = pytest.mark.usefixtures("acme")


def text(more: str) -> str:
    return f"{DESK}targets:\n  shelf:\n    connector: acme-shelf\n    options: {{height: 3}}\n{more}"


def shelf(folder: Path, more: str = "") -> TargetConfig:
    return loaded(folder, text(more)).targets["shelf"]


def test_by_default_nothing_is_verified_and_nothing_kept(tmp_path: Path) -> None:
    target = shelf(tmp_path)
    assert (target.verify, target.drift) == (None, DriftPolicy())
    assert not target.drift.keeps("title")


def test_a_target_is_verified_daily_or_after_a_duration(tmp_path: Path) -> None:
    assert shelf(tmp_path, "    verify: daily at 03:00\n").verify == Complete(at=time(3))
    assert shelf(tmp_path, "    verify: 12h\n").verify == Complete(every=timedelta(hours=12))


def test_drift_keeps_all_attributes_or_named_ones(tmp_path: Path) -> None:
    assert shelf(tmp_path, "    drift: keep\n").drift.keeps("title")
    some = shelf(tmp_path, "    drift: {title: keep, description: keep}\n").drift
    assert [some.keeps(name) for name in ("title", "description", "email")] == [True, True, False]


@pytest.mark.parametrize(
    ("more", "message"),
    [
        ("    verify: nightly\n", "must be “daily at 02:00” (local time) or a duration such as 12h"),
        ("    drift: [title]\n", "must be keep, or the attributes that are kept: {title: keep}"),
        ("    drift: {title: leave}\n", "must be 'keep'"),
        ("    drift: {titel: keep}\n", "the target has no such attribute: did you mean title?"),
        ("    users: {key: login, set: {login: user.userName}}\n    drift: {title: keep}\n", "the target has no such"),
    ],
)
def test_a_fault_is_named_with_its_place(tmp_path: Path, more: str, message: str) -> None:
    found = fault(tmp_path, text(more))
    assert message in found.message
    assert found.line == 7 + more.count("\n")


def test_a_target_that_cannot_be_read_cannot_be_verified(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from usersyncd import registry
    from usersyncd.plugin import Capabilities

    monkeypatch.setattr(registry.target("acme-shelf"), "capabilities", Capabilities(find=None, read=False))
    found = fault(tmp_path, text("    verify: 12h\n"))
    assert found.message == "a target of the connector acme-shelf cannot be verified: remove `verify`"


def test_a_clock_that_was_wrong_once_does_not_postpone_a_verification() -> None:
    now = datetime(2026, 5, 1, 12, tzinfo=UTC)
    for due in (Complete(every=timedelta(days=1)), Complete(at=time(3))):
        assert due.is_due(now + timedelta(days=400), now)
        assert not due.is_due(now - timedelta(minutes=1), now)
