"""Which directories leave a target: it still holds objects of them, but no longer lists them in the configuration."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import timedelta

from msgspec import Struct

from usersyncd.config import Config, DirectoryConfig, TargetConfig
from usersyncd.plugin import Kind, Options
from usersyncd.state import journal, progress_store, targets
from usersyncd.state.database import Connection
from usersyncd.state.remains import Remains, remains


class Leaving(Struct, frozen=True):
    """What a target still holds of a directory that leaves it: ``users`` to deactivate or delete, ``groups`` to delete,
    and ``leavers`` to delete later."""

    directory: str
    target: str
    users: int
    groups: int
    leavers: int

    @property
    def is_held(self) -> bool:
        """Whether the target holds anything of the directory. If not, it is only verified once more."""
        return self.users + self.groups + self.leavers > 0


def leaving(
    connection: Connection,
    configured: Iterable[TargetConfig],
    seen: Mapping[str, int] | None = None,
    *,
    verify: bool = False,
) -> list[Leaving]:
    """The directories that leave these targets, which must be all configured targets.

    ``seen``: the numbers of the targets that are recognized already. ``verify``: include directories of which only
    leavers are left. If two targets have the same links, the directories that either lists stay, and the others leave
    the first one.
    """
    configured = list(configured)
    numbers = {target.name: targets.by_name(connection, target.name) for target in configured} | dict(seen or {})
    listed = {(numbers[target.name], name) for target in configured for name in target.directories}
    first = {numbers[target.name]: target for target in reversed(configured)}
    return [
        Leaving(name, target.name, held.users, held.groups, _to_be_deleted(held, target))
        for number, target in reversed(first.items())
        if number is not None
        for name in progress_store.delivered(connection, number)
        if (number, name) not in listed
        for held in [remains(connection, number, name)]
        if _is_to_do(held, target) or (verify and held.leavers)
    ]


def _is_to_do(held: Remains, target: TargetConfig) -> bool:
    """Whether a delivery has something to do. Leavers who are kept for good only need a verification."""
    return held.unanswered or held.users + held.groups + _to_be_deleted(held, target) > 0


def _to_be_deleted(held: Remains, target: TargetConfig) -> int:
    return held.leavers if target.leavers.delete_after is not None else 0


def all_leaving(connection: Connection, config: Config, *, verify: bool = False) -> list[Leaving]:
    """The directories that leave any target, ordered by name. A directory that is about to be renamed (``was``) does
    not leave. ``verify``: include directories of which only leavers are left."""
    renamed = {directory.was for directory in config.directories.values()}
    found = leaving(connection, config.targets.values(), verify=verify)
    return sorted((one for one in found if one.directory not in renamed), key=lambda one: one.directory)


def removed_directories(connection: Connection, config: Config, *, verify: bool = False) -> list[DirectoryConfig]:
    """The directories that were removed from the configuration, and of which targets still hold something. Each has the
    connector that read it last and the shortest interval of those targets."""
    every = {
        target.name: min(config.directories[name].every for name in target.directories)
        for target in config.targets.values()
    }
    soonest: dict[str, timedelta] = {}
    for one in all_leaving(connection, config, verify=verify):
        if one.directory not in config.directories:
            soonest[one.directory] = min(every[one.target], soonest.get(one.directory, every[one.target]))
    return [_removed(connection, name, interval) for name, interval in soonest.items()]


def _removed(connection: Connection, name: str, every: timedelta) -> DirectoryConfig:
    return DirectoryConfig(
        name, journal.last_connector(connection, name), every, None, Options(), {kind: {} for kind in Kind}
    )
