"""Two directories, one target, and a state database that can be restored from a copy."""

from __future__ import annotations

import asyncio
import shutil
from datetime import timedelta
from pathlib import Path

from msgspec import structs

from tests.run.links.judge import Consent
from tests.run.links.life import DIRECTORIES, IDS, Life
from tests.run.links.moody import Mood, moody
from tests.run.links.shop import PROTECTED_ROLE, Shop
from tests.run.migrated import migrated_sqlite
from tests.run.world import UNREACHED
from usersyncd.config import DirectoryConfig, TargetConfig
from usersyncd.core.model import Leavers
from usersyncd.core.protection import Protection
from usersyncd.core.report import RunReport
from usersyncd.job import PullJob, delivery_job, job
from usersyncd.options import ALL, RunOptions
from usersyncd.plugin import Kind
from usersyncd.state.database import Database, open_database
from usersyncd.sync import sync
from usersyncd.testing import MemoryDirectory, MemorySource, MemorySourceOptions

PROTECTION = Protection(condition=lambda columns: columns.get("role") == PROTECTED_ROLE)


class Town:
    """``mood``: how the target fails. ``deletes``: leavers are deleted at once."""

    def __init__(self, folder: Path, shop: Shop, *, deletes: bool = False, incremental: bool = False) -> None:
        self.folder, self.shop, self.mood, self.deletes = folder, shop, Mood(), deletes
        self.directories = {name: MemoryDirectory(page_size=3, incremental=incremental) for name in DIRECTORIES}
        self.file = folder / "state.db"
        self.database: Database = open_database(migrated_sqlite(self.file))
        self.names = {name: name for name in DIRECTORIES}
        """The present name of each directory."""
        self.was: dict[str, str] = {}
        """The name of each renamed directory before."""
        self.removed: set[str] = set()
        """The directories that are removed from the file."""

    def rename(self, name: str) -> None:
        """Rename a directory; the second time back to its old name. A saved state is dropped: it has the other name."""
        self.was[name] = self.names[name]
        self.names[name] = name if self.names[name] != name else f"new-{name}"
        self._drop_saved()

    def move(self) -> None:
        """Move the target to another place with all its objects; the second time back to the first place."""
        self.shop.move()
        self._drop_saved()

    def _drop_saved(self) -> None:
        for file in self.folder.glob("saved.db*"):
            file.unlink()

    def run(
        self, name: str, life: Life, *, adopt: Consent = frozenset(), complete: bool = False, verify: bool = False
    ) -> RunReport:
        """Pull one directory and deliver it."""
        life.tell(name, self.directories[name])
        ids = {id_ for some in IDS.values() for id_ in some}
        asked = RunOptions(
            complete=complete, verify=verify, adopt=frozenset({ALL, *ids} if adopt == "all" else adopt), log=False
        )
        pulls = {self.names[one]: self._job(one) for one in DIRECTORIES}
        everyone = tuple(structs.replace(each, leaving=True) for each in pulls[self.names[name]].targets)
        listed = [pulls[self.names[one]] for one in DIRECTORIES if one not in self.removed]
        deliveries = {each.target.name: delivery_job(each, listed, everyone) for each in everyone}
        chosen = {} if name in self.removed else pulls
        [report] = asyncio.run(
            sync(
                self.database,
                self.folder,
                chosen,
                deliveries,
                [self.names[name]],
                asked,
            )
        )
        return report

    def _job(self, name: str) -> PullJob:
        options = MemorySourceOptions(directory=self.directories[name])
        directory = DirectoryConfig(
            self.names[name], "memory", timedelta(minutes=15), None, options, {kind: {} for kind in Kind},
            self.was.get(name),
        )  # fmt: skip
        shop = self.shop
        listed = tuple(self.names[one] for one in DIRECTORIES if one not in self.removed)
        target = TargetConfig(
            "app", "moody", shop.options, listed or ("nobody",), shop.users, shop.groups, "flattened",
            Leavers(timedelta(0) if self.deletes else None), UNREACHED, protect=dict.fromkeys(Kind, PROTECTION),
        )  # fmt: skip
        return job(directory, MemorySource, [(target, moody(shop.connector, self.mood))], {})

    # ---- the state

    def save(self) -> None:
        """Save a copy of the state."""
        self.database.close()
        self._drop_saved()
        for file in self.folder.glob("state.db*"):
            shutil.copy(file, self.folder / file.name.replace("state", "saved"))
        self.database = open_database(f"sqlite:///{self.file}")

    @property
    def is_saved(self) -> bool:
        return (self.folder / "saved.db").exists()

    def restore(self) -> None:
        """Restore the saved copy of the state."""
        self.database.close()
        for file in self.folder.glob("state.db*"):
            file.unlink()
        for file in self.folder.glob("saved.db*"):
            shutil.copy(file, self.folder / file.name.replace("saved", "state"))
        self.database = open_database(f"sqlite:///{self.file}")

    def close(self) -> None:
        self.database.close()
        self.shop.close()
