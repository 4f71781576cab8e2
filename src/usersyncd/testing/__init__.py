"""What the author of a connector needs to test it.

- :class:`SourceContract` and :class:`TargetContract`: suites of tests that your test class inherits. They need
  pytest, and are imported only when they are asked for.
- :func:`source_context`, :func:`target_context`: the contexts that a run would hand over, with a log that can be read
  and a clock that does not wait.
- :class:`MemoryDirectory` with :class:`MemorySource`, :class:`MemoryStore` with :class:`MemoryTarget`: a directory and
  a target in memory that fail on demand.
- :func:`read`, :func:`fold`: a pull, and what it says in the end.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from usersyncd.testing.contexts import OWN_LAYOUTS, HurriedClock, Log, source_context, target_context
from usersyncd.testing.memory_source import MemoryDirectory, MemorySource, MemorySourceOptions, SourceFaults
from usersyncd.testing.memory_target import (
    MemoryObject,
    MemoryStore,
    MemoryTarget,
    MemoryTargetBlind,
    MemoryTargetOptions,
    TargetFaults,
)
from usersyncd.testing.pulls import Listing, Pull, fold, read

if TYPE_CHECKING:
    from usersyncd.testing.source_contract import SourceContract
    from usersyncd.testing.target_contract import Contents, TargetContract

_SUITES = {
    "SourceContract": "usersyncd.testing.source_contract",
    "TargetContract": "usersyncd.testing.target_contract",
    "Contents": "usersyncd.testing.target_contract",
}
_COMMON = "usersyncd.testing.connector_contract"
"""What both suites inherit."""


def __getattr__(name: str) -> Any:
    if name not in _SUITES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    import pytest

    # pytest explains a failed assert only in modules that it was told of before they are imported.
    pytest.register_assert_rewrite(_COMMON, _SUITES[name])
    return getattr(import_module(_SUITES[name]), name)


__all__ = [
    "OWN_LAYOUTS",
    "Contents",
    "HurriedClock",
    "Listing",
    "Log",
    "MemoryDirectory",
    "MemoryObject",
    "MemorySource",
    "MemorySourceOptions",
    "MemoryStore",
    "MemoryTarget",
    "MemoryTargetBlind",
    "MemoryTargetOptions",
    "Pull",
    "SourceContract",
    "SourceFaults",
    "TargetContract",
    "TargetFaults",
    "fold",
    "read",
    "source_context",
    "target_context",
]
