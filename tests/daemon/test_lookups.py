"""A changed lookup file is noticed once."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from usersyncd.config.lookups import FileStamp, stamp
from usersyncd.daemon.lookups import LookupFiles, Stamps

KNOWN = Path("sites.csv")


class Disk:
    """The stamps that a check of the files finds, and how often a change was noticed."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.now: FileStamp | None = FileStamp(1, 10, 7)
        self.noticed = 0
        self.files = LookupFiles({KNOWN: self.now}, self._notice)
        monkeypatch.setattr("usersyncd.daemon.lookups.stamp", lambda _: self.now)

    def _notice(self) -> None:
        self.noticed += 1


@pytest.fixture
def disk(monkeypatch: pytest.MonkeyPatch) -> Disk:
    return Disk(monkeypatch)


async def test_an_unchanged_file_is_not_noticed(disk: Disk) -> None:
    await disk.files.look()
    assert disk.noticed == 0


@pytest.mark.parametrize("now", [FileStamp(2, 10, 7), FileStamp(1, 11, 7), FileStamp(1, 10, 8), None])
async def test_a_change_is_noticed_once(disk: Disk, now: FileStamp | None) -> None:
    disk.now = now
    await disk.files.look()
    await disk.files.look()
    assert disk.noticed == 1


async def test_a_file_that_changed_after_it_was_read_is_noticed(disk: Disk) -> None:
    disk.files.follow({KNOWN: FileStamp(0, 10, 7)})
    await disk.files.look()
    assert disk.noticed == 1


async def test_a_reload_during_a_check_replaces_its_result(disk: Disk, monkeypatch: pytest.MonkeyPatch) -> None:
    fresh: Stamps = {KNOWN: FileStamp(3, 10, 7)}

    def look(_: Path) -> FileStamp:
        disk.files.follow(fresh)
        return FileStamp(2, 10, 7)

    monkeypatch.setattr("usersyncd.daemon.lookups.stamp", look)
    await disk.files.look()
    assert disk.noticed == 0


def test_a_stamp_tells_a_replaced_file_of_the_same_size_and_time(tmp_path: Path) -> None:
    file, other = tmp_path / "sites.csv", tmp_path / "sites.part"
    for each in (file, other):
        each.write_text("a")
        os.utime(each, ns=(5, 5))
    before = stamp(file)
    other.replace(file)
    assert before is not None
    assert stamp(file) not in (None, before)
    file.unlink()
    assert stamp(file) is None
