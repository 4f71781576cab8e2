"""Tools with which authors test their connectors.

- :class:`SourceContract`, :class:`ReceivingContract` and :class:`TargetContract`: test suites that your test class
  inherits. They need pytest, and are imported on first use.
- :func:`source_context`, :func:`target_context`: contexts like those of a run, with a log that tests can read and a
  clock that does not wait.
- :class:`MemoryDirectory` with :class:`MemorySource`, :class:`MemoryStore` with :class:`MemoryTarget`: a directory and
  a target in memory, with faults that a test switches on.
- :func:`read` runs a pull to its end; :func:`fold` merges its items.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from usersyncd.testing.contexts import OWN_LAYOUTS, HurriedClock, Log, source_context, target_context
from usersyncd.testing.memory_source import MemoryDirectory, MemorySource, MemorySourceOptions, SourceFaults
from usersyncd.testing.memory_store import MemoryObject, MemoryStore, TargetFaults
from usersyncd.testing.memory_target import MemoryTarget, MemoryTargetBlind, MemoryTargetOptions
from usersyncd.testing.pulls import DirectoryContent, Pull, fold, read

if TYPE_CHECKING:
    from usersyncd.testing.receiving_contract import ReceivingContract
    from usersyncd.testing.source_contract import SourceContract
    from usersyncd.testing.target_contract import Contents, TargetContract

_SUITES = {
    "ReceivingContract": "usersyncd.testing.receiving_contract",
    "SourceContract": "usersyncd.testing.source_contract",
    "TargetContract": "usersyncd.testing.target_contract",
    "Contents": "usersyncd.testing.target_contract",
}
_BASES = tuple(f"usersyncd.testing.{name}" for name in ("connector_contract", "source_basics", "person_contract"))
"""The base classes of the suites."""


def __getattr__(name: str) -> Any:
    if name not in _SUITES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    import pytest

    # pytest explains failed asserts only in modules that are registered before their import.
    pytest.register_assert_rewrite(*_BASES, _SUITES[name])
    return getattr(import_module(_SUITES[name]), name)


__all__ = [
    "OWN_LAYOUTS",
    "Contents",
    "DirectoryContent",
    "HurriedClock",
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
    "ReceivingContract",
    "SourceContract",
    "SourceFaults",
    "TargetContract",
    "TargetFaults",
    "fold",
    "read",
    "source_context",
    "target_context",
]
