"""The errors of runs as JSON: the whole text, and its message and remedy apart. docs/json.md promises the fields."""

from __future__ import annotations

from typing import Any

from msgspec import structs

from usersyncd.core.report import DeliveryRun, Failed, PullRun, RunReport, targets_of
from usersyncd.errors import split_remedy


def failed_document(failed: Failed) -> dict[str, Any]:
    """A record that failed."""
    return structs.asdict(failed) | parts(failed.error)


def error_document(report: PullRun | DeliveryRun | RunReport) -> dict[str, str | None]:
    """Why a run failed. ``error`` has all errors; ``message``, ``remedy`` and ``code`` describe the first one.

    The errors are those of the run and its shares, or else of the first record that could not be read.
    """
    errors = [report.error] if report.error else []
    for target in targets_of(report):
        if target.error is not None and target.error != report.error:
            whose = f"target {target.target}: "
            errors.append(whose + target.error.removeprefix(whose))
    if not errors and not isinstance(report, DeliveryRun) and report.failed:
        first_failed = report.failed[0]
        errors.append(f"{first_failed.kind} {first_failed.id}: {first_failed.error}")
    code = report.code or next((target.code for target in targets_of(report) if target.code is not None), None)
    return {"error": "\n".join(errors) or None, "code": code} | parts(errors[0] if errors else None)


def parts(error: str | None) -> dict[str, str | None]:
    """The message and the remedy of an error."""
    message, remedy = split_remedy(error) if error else (None, None)
    return {"message": message, "remedy": remedy}
