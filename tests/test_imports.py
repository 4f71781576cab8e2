"""Imports run one way, so that each part can be read, and tested, without those above it (docs/architecture.md)."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from graphlib import CycleError, TopologicalSorter
from pathlib import Path
from typing import NamedTuple

import pytest

ROOT = Path(__file__).parents[1]

CONNECTOR = {"plugin", "errors"}
PLUGIN = {"words", *CONNECTOR}
CORE = {"core", *PLUGIN}
PARTS = {"blocking", "config", "context", "job", "progress", "registry", "secrets", "state", *CORE}
RUN = {"recording", "pull", "deliver", "options", *PARTS}
MAY_IMPORT = {
    "words": set[str](),
    "errors": {"words"},
    "nearest": set[str](),
    "blocking": set[str](),
    "memory": set[str](),
    "interval": set[str](),
    "notify": {"cleaning"},
    "cleaning": set[str](),
    "files": set[str](),
    "logs": {"cleaning", "errors", "words"},
    "plugin": {"errors", "words"},
    "secrets": {"files", *PLUGIN},
    "core": PLUGIN,
    "registry": {"nearest", *PLUGIN},
    "config": {"files", "registry", "nearest", *CORE},
    "http_client": {"progress", *PLUGIN},
    "context": {"blocking", "http_client", "progress", "secrets", *CORE},
    "scim": PLUGIN,
    "state": {"scim", *CORE},
    "job": {"config", "registry", *CORE},
    "opening": {"config", "secrets", "state", *CORE},
    "options": CORE,
    "recording": {"options", *PARTS},
    "pull": {"recording", "options", *PARTS},
    "push": {"recording", "options", "pull", "scim", *PARTS},
    "deliver": {"recording", "options", "pull", *PARTS},
    "sync": RUN,
    "testing": {"context", "http_client", "progress", "registry", *CORE},
    "progress": set[str](),
    "web": {"nearest", "scim", *PARTS},
    "events": PARTS,
    "daemon": {"events", "interval", "logs", "notify", "opening", "push", "scim", "web", *RUN},
    "cli": {
        *{"cleaning", "files", "memory", "daemon", "logs", "nearest", "opening", "push", "sync", "web"},
        *RUN,
    },
    "__main__": {"cli"},
}
"""What each part of usersyncd may import of the others."""

IMPURE = {
    *("aiofiles", "asyncio", "fileinput", "glob", "http", "httpx", "io", "multiprocessing", "os", "pathlib", "select"),
    *("shutil", "signal", "socket", "sqlalchemy", "sqlite3", "ssl", "subprocess", "tempfile", "threading", "urllib"),
    *("random", "secrets", "time", "uuid"),
    *("alembic", "logging", "rich", "structlog", "typer"),
}
"""What core never imports: the world, the clock, chance and the log."""
IMPURE_CALLS = {"now", "utcnow", "today", "open", "print", "input"}


class Import(NamedTuple):
    """``module`` is the absolute name; ``from a import b`` may mean the module ``a.b`` or ``a``: longer first."""

    at: str
    modules: tuple[str, ...]
    relative: bool


def imports(tree: ast.AST, file: str) -> Iterator[Import]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield Import(f"{file}:{node.lineno}", (alias.name,), relative=False)
        elif isinstance(node, ast.ImportFrom):
            module = node.module or ""
            for alias in node.names:
                yield Import(f"{file}:{node.lineno}", (f"{module}.{alias.name}", module), relative=node.level > 0)


class Module(NamedTuple):
    name: str
    file: str
    tree: ast.AST

    @property
    def package(self) -> str:
        """``usersyncd``, or the connector's package."""
        return self.name.partition(".")[0]

    @property
    def part(self) -> str:
        """``usersyncd.core.diff`` -> ``core``"""
        return part(self.name)

    @property
    def imports(self) -> list[Import]:
        return list(imports(self.tree, self.file))


def part(name: str) -> str:
    return name.split(".")[1] if "." in name else ""


def parse(name: str, file: str, source: str) -> Module:
    return Module(name, file, ast.parse(source))


def modules() -> list[Module]:
    found = []
    for top in ("src", "connectors"):
        for path in sorted((ROOT / top).rglob("*.py")):
            parts = path.relative_to(ROOT / top).with_suffix("").parts
            name = ".".join(parts[:-1] if parts[-1] == "__init__" else parts)
            found.append(parse(name, str(path.relative_to(ROOT)), path.read_text(encoding="utf-8")))
    return found


def layering(module: Module) -> Iterator[str]:
    """In usersyncd: the parts that MAY_IMPORT names. In a connector: usersyncd.plugin, usersyncd.errors, itself."""
    ours = module.package == "usersyncd"
    if ours and module.part not in ("", *MAY_IMPORT):
        yield f"{module.file}: {module.part} has no place in the layering: give it one in MAY_IMPORT"
        return
    allowed = {module.part, *MAY_IMPORT.get(module.part, ())} if ours else CONNECTOR
    for found in module.imports:
        name = found.modules[0]
        package = name.partition(".")[0]
        if package == "usersyncd" and part(name) not in allowed:
            yield f"{found.at}: {module.name} must not import {name}; of usersyncd it may: {', '.join(sorted(allowed))}"
        if package.startswith("usersyncd_") and package != module.package:
            yield f"{found.at}: {module.name} must not import the connector {package}"


def purity(module: Module) -> Iterator[str]:
    """core does no I/O, knows no clock and writes no log."""
    if module.part != "core" or module.package != "usersyncd":
        return
    for found in module.imports:
        if (top := found.modules[0].partition(".")[0]) in IMPURE:
            yield f"{found.at}: core is pure and must not import {top}"
    for node in ast.walk(module.tree):
        if isinstance(node, ast.Call):
            called = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
            if called in IMPURE_CALLS:
                yield f"{module.file}:{node.lineno}: core is pure and must not call {called}()"


def style(module: Module) -> Iterator[str]:
    """Imports are absolute: each names the part that it reaches for."""
    for found in module.imports:
        if found.relative:
            yield f"{found.at}: write the import with its full name"


RULES = (layering, purity, style)


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.__name__)
def test_every_module_keeps_the_import_rules(rule: object) -> None:
    assert callable(rule)
    faults = [fault for module in modules() for fault in rule(module)]
    assert not faults, "\n" + "\n".join(faults)


def test_no_import_cycles() -> None:
    known = {module.name: module for module in modules()}
    graph = {
        module.name: {
            next(name for name in found.modules if name in known)
            for found in module.imports
            if any(name in known for name in found.modules)
        }
        for module in known.values()
    }
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        pytest.fail("these modules import each other: " + " <- ".join(error.args[1]))


@pytest.mark.parametrize(
    ("module", "source", "fault"),
    [
        ("usersyncd.core.diff", "from usersyncd.plugin import Record", None),
        (
            "usersyncd.core.diff",
            "import usersyncd.state.tables",
            "m.py:1: usersyncd.core.diff must not import usersyncd.state",
        ),
        (
            "usersyncd.core.diff",
            "def f():\n    from usersyncd import run",
            "m.py:2: usersyncd.core.diff must not import",
        ),
        ("usersyncd.core.diff", "import os.path", "m.py:1: core is pure and must not import os"),
        ("usersyncd.core.diff", "datetime.now(UTC)", "m.py:1: core is pure and must not call now()"),
        ("usersyncd.core.diff", "from .plan import Plan", "m.py:1: write the import with its full name"),
        ("usersyncd.novel", "import re", "m.py: novel has no place in the layering"),
        ("usersyncd.cli", "from usersyncd_csv import CsvSource", "m.py:1: usersyncd.cli must not import the connector"),
        ("usersyncd_csv.source", "from usersyncd.errors import SourceError", None),
        ("usersyncd_csv.source", "from usersyncd_csv.reading import rows", None),
        (
            "usersyncd_csv.source",
            "from usersyncd.config import load",
            "m.py:1: usersyncd_csv.source must not import usersyncd",
        ),
        ("usersyncd_csv.source", "import usersyncd_sql", "m.py:1: usersyncd_csv.source must not import the connector"),
    ],
)
def test_the_check_finds_forbidden_imports(module: str, source: str, fault: str | None) -> None:
    parsed = parse(module, "m.py", source)
    found = [text for rule in RULES for text in rule(parsed)]
    assert [text.startswith(fault) for text in found] == [True] if fault else not found, found
