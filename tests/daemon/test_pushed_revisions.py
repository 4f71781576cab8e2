"""The daemon notices what another process changes in the snapshot of a directory that pushes."""

from __future__ import annotations

from usersyncd.daemon.pushed_revisions import PushedRevisions
from usersyncd.errors import StateError


class Snapshots:
    """The revisions of directories, in a state database that can fail."""

    def __init__(self) -> None:
        self.revisions = {"acme": 7, "corp": 2}
        self.fails = False

    def find(self) -> dict[str, int]:
        if self.fails:
            raise StateError("it does not answer")
        return dict(self.revisions)


async def test_each_change_is_noticed_once() -> None:
    snapshots, noticed = Snapshots(), list[str]()
    looks = PushedRevisions(snapshots.find, noticed.append)
    await looks.look()
    assert not noticed, "the daemon delivers every directory when it starts"
    snapshots.revisions["acme"] = 8
    await looks.look()
    await looks.look()
    assert noticed == ["acme"]


async def test_a_state_that_does_not_answer_is_read_again() -> None:
    snapshots, noticed = Snapshots(), list[str]()
    looks = PushedRevisions(snapshots.find, noticed.append)
    await looks.look()
    snapshots.revisions["corp"] = 3
    snapshots.fails = True
    await looks.look()
    snapshots.fails = False
    await looks.look()
    assert noticed == ["corp"]


async def test_a_directory_that_appears_between_two_looks_is_noticed() -> None:
    snapshots, noticed = Snapshots(), list[str]()
    looks = PushedRevisions(snapshots.find, noticed.append)
    del snapshots.revisions["corp"]
    await looks.look()
    snapshots.revisions["corp"] = 3
    await looks.look()
    assert noticed == ["corp"]
