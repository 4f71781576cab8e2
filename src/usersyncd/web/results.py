"""Runs as the API answers them: with the fields of ``history --json``."""

from __future__ import annotations

from typing import Literal

from msgspec import field, structs

from usersyncd.core.error_documents import error_document, failed_document, parts
from usersyncd.core.report import DeliveryRun, Failed, PullRun, TargetReport


class FailedRecord(Failed, frozen=True):
    """A record that could not be shaped or delivered. ``message`` and ``remedy``: the parts of ``error``."""

    message: str = ""
    remedy: str | None = None


class ShareResult(TargetReport):
    """The share of one directory in a delivery."""

    message: str | None = None
    remedy: str | None = None
    failed: list[FailedRecord] = field(default_factory=list)  # type: ignore[assignment]


class PullResult(PullRun):
    """A pull that has ended."""

    message: str | None = None
    remedy: str | None = None
    kind: Literal["pull"] = "pull"


class DeliveryResult(DeliveryRun):
    """A delivery that has ended."""

    message: str | None = None
    remedy: str | None = None
    kind: Literal["delivery"] = "delivery"
    targets: list[ShareResult] = field(default_factory=list)  # type: ignore[assignment]


def pull_result(run: PullRun) -> PullResult:
    return PullResult(**structs.asdict(run) | error_document(run))


def delivery_result(run: DeliveryRun) -> DeliveryResult:
    shares = [_share(one) for one in run.targets]
    return DeliveryResult(**structs.asdict(run) | error_document(run) | {"targets": shares})


def _share(share: TargetReport) -> ShareResult:
    failed = [FailedRecord(**failed_document(one)) for one in share.failed]
    return ShareResult(**structs.asdict(share) | parts(share.error) | {"failed": failed})
