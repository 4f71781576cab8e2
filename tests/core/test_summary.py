"""What the one line of a run says."""

from __future__ import annotations

from usersyncd.core import summary
from usersyncd.core.report import Failed, RunReport, TargetReport, Violation
from usersyncd.plugin import Kind


def test_a_held_run_names_its_limits_and_the_records_that_failed() -> None:
    target = TargetReport(
        "app",
        held=True,
        guard=[Violation("deletes", "10%", "38% (80 of 212)")],
        failed=[Failed(Kind.USER, "u1", "its key is another's", "usersyncd.yaml:7")],
        failures=1,
        harm=f"sha256:{'4dd05e63b232' * 5}",
        plan="sha256:1",
    )
    report = RunReport("hr", "csv", "01", "held", "2026-01-01T00:00:00+00:00", targets=[target])
    assert summary.line(report) == (
        "app: HELD, nothing was delivered: deletes 38% (80 of 212), allowed 10% (`usersyncd approve 4dd05e63b232`); "
        "1 record failed"
    )
    assert list(summary.faults(report)) == ["app: user u1: its key is another's (usersyncd.yaml:7)"]
