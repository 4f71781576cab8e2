"""What a connector is handed for one run: its name, its folder, a logger, secrets, a thread for blocking libraries."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from usersyncd.blocking import in_own_thread
from usersyncd.plugin import Kind, Layout, Secret
from usersyncd.secrets import open_secret

T = TypeVar("T")


@dataclass(frozen=True, kw_only=True)
class RunContext:
    """The common part (see :class:`usersyncd.plugin.Context`): ``name`` of the directory or target, ``folder`` of the
    configuration file, ``log`` a structlog logger that is bound to the run."""

    name: str
    folder: Path
    log: Any

    def secret(self, secret: Secret) -> str:
        """Open a secret. Raises ConfigError, naming the reference, when there is nothing to open."""
        return open_secret(secret, folder=self.folder, owner=self.name, log=self.log)

    def blocking(self, work: Callable[[], Iterable[T]]) -> AsyncIterator[T]:
        """Run a blocking library's generator in one thread of its own (see
        :func:`usersyncd.blocking.in_own_thread`)."""
        return in_own_thread(work, name=self.name, log=self.log)


@dataclass(frozen=True, kw_only=True)
class SourceRunContext(RunContext):
    """What a source is given. ``reads``: the native attributes that the rules read, for each kind; None: all."""

    reads: Mapping[Kind, frozenset[str] | None]


@dataclass(frozen=True, kw_only=True)
class TargetRunContext(RunContext):
    """What a target is given: how the shapes of each kind look, and the directories that it receives."""

    layouts: Mapping[Kind, Layout]
    directories: Sequence[str]
