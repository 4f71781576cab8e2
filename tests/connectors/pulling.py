"""A real connector between a directory that changes and a state database: people are pulled one by one in between."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from random import Random
from typing import Any

from tests.run.snapshots import snapshot
from tests.run.world import World
from usersyncd.job import PullJob
from usersyncd.plugin import Source


class ConnectorWorld(World):
    """A world whose directory is read by a connector, with options as an admin writes them."""

    def __init__(self, folder: Path, connector: type[Source], options: Mapping[str, Any]) -> None:
        folder.mkdir(exist_ok=True)
        super().__init__(folder)
        self.connector, self.options = connector, options

    @property
    def job(self) -> PullJob:
        return self._job(self.connector, self.connector.Options.model_validate(self.options))


def follow_people(
    folder: Path,
    connector: type[Source],
    options: Mapping[str, Any],
    change: Callable[[], object],
    people: Callable[[], Sequence[str]],
    seed: int,
    rounds: int = 3,
) -> None:
    """Change the directory at random, pull some people, pull the changes, and compare with a first pull.

    ``people``: the ids of users; some may be deleted, or unknown to the snapshot."""
    random = Random(seed)
    world = ConnectorWorld(folder / "state", connector, options)
    assert world.run().status == "succeeded"
    for number in range(rounds):
        for _ in range(12):
            change()
            if random.random() < 0.7:
                report = world.ask(random.choice(people()))
                assert report.status == "succeeded" or report.code == "unknown_person", report
        report_of_all = world.run()
        assert report_of_all.status == "succeeded", report_of_all
        first = ConnectorWorld(folder / f"first{number}", connector, options)
        assert first.run().status == "succeeded"
        found, whole = (snapshot(one.database, one.name) for one in (world, first))
        first.database.close()
        assert found["records"] == whole["records"]
        assert found["members"] == whole["members"]
    world.database.close()
