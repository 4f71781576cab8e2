"""The context that a connector receives for one run: its name, its folder, a logger, secrets, HTTP clients, and threads
for blocking libraries."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Self, TypeVar

from usersyncd.blocking import in_own_thread
from usersyncd.core.protection import UNPROTECTED, Protection
from usersyncd.errors import SourceError, TargetError, UsersyncError
from usersyncd.plugin import PATIENT, Kind, Layout, Lookup, Patience, Secret, Value
from usersyncd.progress import Wait
from usersyncd.secrets import open_secret

if TYPE_CHECKING:
    import httpx

    from usersyncd.http_client import Clients, Clock

T = TypeVar("T")


@dataclass(frozen=True, kw_only=True)
class RunContext:
    """The context of any connector (see :class:`usersyncd.plugin.Context`): the ``name`` of the directory or target,
    the ``folder`` of the configuration file, and a structlog logger that is bound to the run (``log``). ``waiting`` is
    called for every wait of the HTTP transport; ``clock``: the clock for these waits (None: the real time)."""

    name: str
    folder: Path
    log: Any
    waiting: Callable[[Wait], None] | None = None
    clock: Clock | None = None
    failure: ClassVar[type[UsersyncError]] = UsersyncError
    """The error that HTTP requests raise."""

    def secret(self, secret: Secret) -> str:
        """Return the secret that a reference names. Raises ConfigError, which names the reference, if it cannot be
        opened."""
        return open_secret(secret, folder=self.folder, owner=self.name, log=self.log)

    def blocking(self, work: Callable[[], Iterable[T]]) -> AsyncIterator[T]:
        """Run the generator of a blocking library in its own thread (see
        :func:`usersyncd.blocking.in_own_thread`)."""
        return in_own_thread(work, name=self.name, log=self.log)

    def http(
        self, patience: Patience = PATIENT, *, ca_file: str | None = None, proxy: str | None = None
    ) -> httpx.AsyncClient:
        """A client on the retrying transport. All clients of a context share one request budget for each host. Raises
        ConfigError when ``ca_file`` cannot be used."""
        return self._clients.client(patience, ca_file=ca_file, proxy=proxy)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *exception: object) -> None:
        """Close the clients that the connector left open."""
        if "_clients" in self.__dict__:
            await self._clients.close()

    @cached_property
    def _clients(self) -> Clients:
        from usersyncd.http_client import Clients, Clock  # httpx is slow to import, and most connectors do not use it.

        return Clients(
            clock=self.clock or Clock(),
            log=self.log,
            folder=self.folder,
            failure=self.failure,
            waiting=self.waiting,
        )


@dataclass(frozen=True, kw_only=True)
class SourceRunContext(RunContext):
    """The context of a source. ``reads``: the native attributes that the rules read, for each kind; None: all.
    ``mapped``: the canonical attributes of each kind that the admin maps. ``last_cursor``: the cursor of the last
    pull."""

    failure = SourceError
    reads: Mapping[Kind, frozenset[str] | None]
    mapped: Mapping[Kind, Collection[str]] = field(default_factory=dict)
    last_cursor: str | None = None


@dataclass(frozen=True, kw_only=True)
class TargetRunContext(RunContext):
    """The context of a target: the layout of each kind, the directories that it receives, and the protected objects.
    ``earlier``: returns the records that were delivered before targets returned target ids. ``members_by_link``:
    returns the members of a group, by its target id, as kinds and target ids."""

    failure = TargetError
    layouts: Mapping[Kind, Layout]
    directories: Sequence[str]
    protection: Mapping[Kind, Protection] = field(default_factory=dict)
    earlier: Callable[[Kind], Iterator[Lookup]] = lambda _kind: iter(())
    members_by_link: Callable[[str], Sequence[tuple[Kind, str]]] = lambda _group: ()

    def protected(self, kind: Kind, key: str | int, attributes: Mapping[str, Value]) -> bool:
        """Whether the configuration protects this object."""
        return self.protection.get(kind, UNPROTECTED).names(key, attributes)

    def protects(self, kind: Kind) -> bool:
        """Whether the configuration protects anything of this kind."""
        return bool(self.protection.get(kind, UNPROTECTED))

    def protection_reads(self, kind: Kind) -> frozenset[str]:
        """The columns that the condition under ``protect`` reads."""
        return self.protection.get(kind, UNPROTECTED).columns

    def unlinked(self, kind: Kind) -> Iterator[Lookup]:
        """The records that were delivered before targets returned target ids."""
        return self.earlier(kind)

    def linked_members(self, group: str) -> Sequence[tuple[Kind, str]]:
        """The objects that usersyncd has put into the group with this target id."""
        return self.members_by_link(group)
