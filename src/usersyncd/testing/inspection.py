"""Inspects a connector from outside: the modules that it imports, and the threads and files that it leaves open."""

from __future__ import annotations

import ast
import gc
import inspect
import sys
import threading
from collections.abc import Iterator
from pathlib import Path


def threads_and_files() -> tuple[int, int]:
    """The numbers of threads and of open files of this process."""
    gc.collect()
    descriptors = Path("/proc/self/fd")
    return threading.active_count(), len(list(descriptors.iterdir())) if descriptors.exists() else 0


def imported_of_usersyncd(connector: type) -> set[str]:
    """The modules of usersyncd that the connector's package imports anywhere, including inside functions."""
    return {name for path in _modules(connector) for name in _imported(path)}


def _modules(connector: type) -> Iterator[Path]:
    """The files of the package that defines the connector; the file of its module when there is no package."""
    package = sys.modules[connector.__module__.partition(".")[0]]
    if hasattr(package, "__path__"):
        for folder in package.__path__:
            yield from Path(folder).rglob("*.py")
    else:
        yield Path(inspect.getfile(connector))


def _imported(path: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names if alias.name.split(".")[0] == "usersyncd")
        elif isinstance(node, ast.ImportFrom) and node.module == "usersyncd":
            yield from (f"usersyncd.{alias.name}" for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and (node.module or "").startswith("usersyncd."):
            yield str(node.module)
