"""The contexts that a run would hand to a connector, for tests."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import structlog
from structlog.testing import LogCapture

from usersyncd.context import SourceRunContext, TargetRunContext
from usersyncd.plugin import CANONICAL, Kind, Layout

OWN_LAYOUTS: Mapping[Kind, Layout] = {kind: Layout(CANONICAL[kind], key="id", ruled=False) for kind in Kind}
"""Shapes without rules: the canonical attributes, identified by ``id``."""


class Log:
    """A logger that keeps what it is told: ``logger`` is for the context, ``entries`` for the test."""

    def __init__(self) -> None:
        self._capture = LogCapture()
        self.logger: Any = structlog.wrap_logger(
            None, processors=[self._capture], wrapper_class=structlog.make_filtering_bound_logger(0)
        )

    @property
    def entries(self) -> Sequence[Mapping[str, Any]]:
        """One mapping an entry: ``event``, ``log_level`` and what was bound."""
        return self._capture.entries


def source_context(
    folder: Path,
    *,
    name: str = "directory",
    reads: Mapping[Kind, frozenset[str] | None] | None = None,
    log: Log | None = None,
) -> SourceRunContext:
    """The context of a source. ``reads``: the native attributes that the rules read, for each kind; None: all."""
    everything = {kind: None for kind in Kind}  # noqa: C420 - dict.fromkeys has another type
    return SourceRunContext(name=name, folder=folder, log=(log or Log()).logger, reads={**everything, **(reads or {})})


def target_context(
    folder: Path,
    *,
    name: str = "target",
    layouts: Mapping[Kind, Layout] = OWN_LAYOUTS,
    directories: Sequence[str] = ("directory",),
    log: Log | None = None,
) -> TargetRunContext:
    """The context of a target, which receives ``directories`` in shapes that look like ``layouts``."""
    return TargetRunContext(
        name=name, folder=folder, log=(log or Log()).logger, layouts=layouts, directories=tuple(directories)
    )
