"""Loads the configuration again, and finds what has changed."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable, Iterable, Mapping
from typing import TypeVar

import structlog
from msgspec import Struct

from usersyncd.config import Config, load
from usersyncd.errors import ConfigError, UsersyncError
from usersyncd.job import DeliveryJob, PullJob, delivery_jobs, jobs

T = TypeVar("T")

SLOW = 10.0
"""Seconds after which a reload that has not ended is logged; it is logged again each time this span has doubled."""
KEPT = "the configuration was not reloaded: the old one stays in force"


class Loaded(Struct, frozen=True):
    """A configuration, with the job of each directory (``pulls``) and of each target (``deliveries``)."""

    config: Config
    pulls: Mapping[str, PullJob]
    deliveries: Mapping[str, DeliveryJob]


class Changes(Struct, frozen=True):
    """The names of directories or targets that a reload added, changed and removed."""

    added: list[str]
    changed: list[str]
    removed: list[str]

    @property
    def due(self) -> list[str]:
        """The names that have to run because of the reload."""
        return self.added + self.changed


def load_jobs(file: os.PathLike[str]) -> Loaded:
    """Load a configuration and compile its jobs. Raises ConfigError."""
    config = load(str(file))
    pulls = jobs(config)
    return Loaded(config, pulls, delivery_jobs(pulls.values()))


def compare_pulls(old: Loaded, new: Loaded) -> Changes:
    """The directories that are read in another way than before. A change of comments or layout does not count."""
    return _compare(*({name: (job.directory, job.basis) for name, job in one.pulls.items()} for one in (old, new)))


def compare_deliveries(old: Loaded, new: Loaded) -> Changes:
    """The targets whose content may have to change. A change of comments or layout does not count."""
    return _compare(*({name: _meaning(job) for name, job in one.deliveries.items()} for one in (old, new)))


def _meaning(job: DeliveryJob) -> object:
    return job.target, {name: rules.fingerprint for name, rules in job.shares.items()}, job.was


def _compare(old: Mapping[str, object], new: Mapping[str, object]) -> Changes:
    return Changes(
        added=[name for name in new if name not in old],
        changed=[name for name in new if name in old and old[name] != new[name]],
        removed=[name for name in old if name not in new],
    )


async def attempt(load_all: Callable[[], T]) -> T | None:
    """Call ``load_all`` in a thread and return its result; None if it fails. A failure is logged, and so is a call that
    takes long."""
    log = structlog.get_logger()
    loading = asyncio.ensure_future(asyncio.to_thread(load_all))
    wait = seconds = SLOW
    while not (await asyncio.wait([loading], timeout=wait))[0]:
        log.warning(
            "the configuration is still being loaded: its folder, a file that it names, or the state database does "
            "not answer; the old one stays in force",
            event_name="config.loading",
            seconds=round(seconds),
        )
        wait, seconds = seconds, seconds * 2
    try:
        return loading.result()
    except UsersyncError as error:
        log_error(error, KEPT, event_name="config.not_reloaded")
    except Exception:
        log.exception(KEPT, event_name="config.not_reloaded")
    return None


def log_error(error: UsersyncError, consequence: str, *, event_name: str) -> None:
    """Log an error and its consequence. Each fault of a configuration is a line of its own, with its place."""
    log = structlog.get_logger()
    faults: Iterable[object] = error.faults if isinstance(error, ConfigError) else ()
    for fault in faults:
        log.error(str(fault), event_name="config.fault", code=error.code)
    log.error(consequence if faults else f"{consequence}: {error}", event_name=event_name, code=error.code)
