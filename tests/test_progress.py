"""The progress of a run, as data and in words."""

from __future__ import annotations

from datetime import UTC, datetime

from usersyncd.progress import Progress, Wait

NOON = datetime(2026, 11, 27, 12, tzinfo=UTC)
THROTTLED = Wait("graph.example", "graph.example asked for it", NOON)


def test_a_step_counts_what_is_done_of_it() -> None:
    progress = Progress()
    assert str(progress) == "starting"
    progress.begin("reading")
    progress.advance(12_000)
    progress.advance(345)
    assert (progress.step, progress.count, progress.total) == ("reading", 12_345, None)
    assert str(progress) == "reading 12,345"
    progress.begin("delivering", 2_000)
    assert str(progress) == "delivering"
    progress.advance(1_000)
    assert (progress.step, progress.count, progress.total) == ("delivering", 1_000, 2_000)
    assert str(progress) == "delivering 1,000 of 2,000"


def test_a_wait_ends_when_the_step_goes_on_or_ends() -> None:
    progress = Progress()
    progress.begin("reading")
    progress.advance(7)
    progress.wait(THROTTLED)
    noon = f"{NOON.astimezone():%H:%M:%S}"
    assert progress.waiting == THROTTLED
    assert str(progress) == f"reading 7, waiting until {noon}: graph.example asked for it"
    progress.advance(1)
    assert str(progress) == "reading 8"
    progress.wait(THROTTLED)
    progress.begin("saving")
    assert str(progress) == "saving"


def test_a_wait_may_have_no_known_end() -> None:
    assert str(Wait("app", "another process delivers to app")) == "waiting: another process delivers to app"


def test_every_change_is_reported() -> None:
    reported: list[str] = []
    progress = Progress(lambda progress: reported.append(str(progress)))
    progress.begin("reading")
    progress.advance(1)
    progress.wait(Wait("app", "app is busy"))
    assert reported == ["reading", "reading 1", "reading 1, waiting: app is busy"]
