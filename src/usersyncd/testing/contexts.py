"""The contexts of connectors, for tests."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection, Mapping, Sequence
from pathlib import Path
from typing import Any

import structlog
from structlog.testing import LogCapture

from usersyncd.context import SourceRunContext, TargetRunContext
from usersyncd.core.protection import Protection
from usersyncd.http_client import Clock
from usersyncd.plugin import CANONICAL, Kind, Layout, Lookup
from usersyncd.progress import Wait

OWN_LAYOUTS: Mapping[Kind, Layout] = {kind: Layout(CANONICAL[kind], key="id", ruled=False) for kind in Kind}
"""The layouts without ``set``: the canonical attributes, identified by ``id``."""


class HurriedClock(Clock):
    """A clock that advances instead of waiting: ``slept`` has the seconds of each wait."""

    def __init__(self) -> None:
        self.slept: list[float] = []
        self._ahead = 0.0

    def now(self) -> float:
        return super().now() + self._ahead

    async def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self._ahead += seconds
        await asyncio.sleep(0)


class Log:
    """A logger that keeps its entries: ``logger`` is for the context, ``entries`` for the test."""

    def __init__(self) -> None:
        self._capture = LogCapture()
        self.logger: Any = structlog.wrap_logger(
            None, processors=[self._capture], wrapper_class=structlog.make_filtering_bound_logger(0)
        )

    @property
    def entries(self) -> Sequence[Mapping[str, Any]]:
        """One mapping for each entry: ``event``, ``log_level`` and the bound values."""
        return self._capture.entries


def source_context(
    folder: Path,
    *,
    name: str = "directory",
    reads: Mapping[Kind, frozenset[str] | None] | None = None,
    mapped: Mapping[Kind, Collection[str]] | None = None,
    last_cursor: str | None = None,
    log: Log | None = None,
    clock: Clock | None = None,
    waiting: Callable[[Wait], None] | None = None,
) -> SourceRunContext:
    """The context of a source. ``reads``: the native attributes that the rules read, for each kind; None: all.
    ``mapped``: the canonical attributes that the admin maps; None: none. ``last_cursor``: the cursor of the last pull.

    ``clock``: the clock for waits of HTTP requests; None: one that does not wait. ``waiting`` is called for every
    wait.
    """
    everything = {kind: None for kind in Kind}  # noqa: C420 - dict.fromkeys has another type
    return SourceRunContext(
        name=name,
        folder=folder,
        log=(log or Log()).logger,
        reads={**everything, **(reads or {})},
        mapped=mapped or {},
        last_cursor=last_cursor,
        clock=clock or HurriedClock(),
        waiting=waiting,
    )


def target_context(
    folder: Path,
    *,
    name: str = "target",
    layouts: Mapping[Kind, Layout] = OWN_LAYOUTS,
    directories: Sequence[str] = ("directory",),
    protection: Mapping[Kind, Protection] | None = None,
    earlier: Mapping[Kind, Sequence[Lookup]] | None = None,
    linked: Mapping[str, Sequence[tuple[Kind, str]]] | None = None,
    log: Log | None = None,
    clock: Clock | None = None,
) -> TargetRunContext:
    """The context of a target, which receives ``directories`` in shapes of ``layouts``. ``protection``: the objects
    that it must not write; ``earlier``: the records that were delivered under contract 1; ``linked``: the members by
    the target id of their group. ``clock``: the clock for waits of HTTP requests; None: one that does not wait."""
    return TargetRunContext(
        name=name,
        folder=folder,
        log=(log or Log()).logger,
        layouts=layouts,
        directories=tuple(directories),
        protection=protection or {},
        earlier=lambda kind: iter((earlier or {}).get(kind, ())),
        members_by_link=lambda group: (linked or {}).get(group, ()),
        clock=clock or HurriedClock(),
    )
