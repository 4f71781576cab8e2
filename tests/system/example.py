"""The example company in a folder of the test, a configuration for it, and queries of its target."""

from __future__ import annotations

import shutil
import sqlite3
from collections.abc import Mapping
from contextlib import closing
from pathlib import Path
from typing import Any

from tests.system.test_systemd import ROOT

ACME = ROOT / "examples" / "acme"
DIRECTORY = """\
  {name}:
    connector: csv
    every: {every}
    options: {{users: {name}/users.csv, groups: {name}/groups.csv, members: {name}/members.csv}}
"""
TARGETS = """\
targets:
  app:
    connector: sql
    options: {url: sqlite:///app.db, create_tables: true}
"""


def company(folder: Path, name: str = "acme") -> Path:
    """Copy the example's files into a folder, and return it."""
    return Path(shutil.copytree(ACME, folder / name))


def configure(folder: Path, names: Mapping[str, str], more: str = "", targets: str = TARGETS) -> Path:
    """A configuration that reads each of these companies so often (``{"acme": "1s"}``), and ``more`` directories."""
    file = folder / "config.yaml"
    directories = "".join(DIRECTORY.format(name=name, every=every) for name, every in names.items())
    file.write_text(f"state: sqlite:///state.db\ndirectories:\n{directories}{more}{targets}")
    return file


def edit(file: Path, old: str, new: str) -> None:
    """Replace the file by one with another text, in one step, as an export does."""
    text = file.read_text()
    assert text.count(old) == 1, f"{old!r} stands {text.count(old)} times in {file}"
    part = file.with_suffix(".part")
    part.write_text(text.replace(old, new))
    part.replace(file)


def query(folder: Path, sql: str, *parameters: object) -> list[tuple[Any, ...]]:
    """Run a query in the target. Returns no rows while the table does not exist."""
    file = folder / "app.db"
    if not file.exists():
        return []
    with closing(sqlite3.connect(f"file:{file}?mode=ro", uri=True, timeout=10)) as database:
        try:
            return database.execute(sql, parameters).fetchall()
        except sqlite3.OperationalError as error:
            if "no such table" in str(error):
                return []
            raise


def content(folder: Path) -> dict[str, list[tuple[Any, ...]]]:
    """Return all that the target holds, without the times of writing."""
    found = {}
    for table in ("users", "groups", "group_members"):
        names = [row[0] for row in query(folder, "SELECT name FROM pragma_table_info(?)", table)]
        columns = ", ".join(f'"{name}"' for name in names if not name.endswith("_at"))
        found[table] = query(folder, f'SELECT {columns} FROM "{table}" ORDER BY {columns}') if columns else []
    return found
