"""A copy of the example company, which tests edit and sync with the real command line."""

from __future__ import annotations

import shutil
import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import Any

EXAMPLES = Path(__file__).parents[2] / "examples" / "acme"
DIRECTORY = """\
directories:
  acme:
    connector: csv
    options: {users: acme/users.csv, groups: acme/groups.csv, members: acme/members.csv}
"""
TARGET = """\
targets:
  app:
    connector: sql
    options: {url: sqlite:///app.db, create_tables: true}
"""


class Company:
    """The files in ``folder``/acme, beside a configuration that reads them."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        shutil.copytree(EXAMPLES, folder / "acme")
        self.configure(DIRECTORY + TARGET)

    def configure(self, text: str) -> None:
        (self.folder / "usersyncd.yaml").write_text(text, encoding="utf-8")

    def edit(self, file: str, change: Callable[[str], str]) -> None:
        """Apply ``change`` to the text of a file, and check that the text differs."""
        path = self.folder / "acme" / file
        before = path.read_text("utf-8")
        after = change(before)
        assert after != before
        path.write_text(after, encoding="utf-8")

    def edit_row(self, id_: str, change: Callable[[str], str]) -> None:
        """Apply ``change`` to the row of one user. An empty result deletes the row."""
        self.edit(
            "users.csv",
            lambda text: "".join(
                change(line) if line.startswith(f"{id_},") else line for line in text.splitlines(keepends=True)
            ),
        )

    def keep(self, file: str, rows: int) -> None:
        """Keep the header and the first ``rows`` rows of a file."""
        self.edit(file, lambda text: "".join(text.splitlines(keepends=True)[: rows + 1]))

    def sql(self, statement: str) -> list[tuple[Any, ...]]:
        """Run a statement in the target's database."""
        connection = sqlite3.connect(self.folder / "app.db")
        try:
            with connection:
                return connection.execute(statement).fetchall()
        finally:
            connection.close()

    def people(self) -> list[tuple[Any, ...]]:
        """Return all users and memberships that the target holds."""
        return self.sql("SELECT id, email, active, updated_at FROM users ORDER BY id") + self.sql(
            "SELECT group_id, member_id FROM group_members ORDER BY 1, 2"
        )
