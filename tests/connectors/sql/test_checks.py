"""What `check --online` and every run check before the first write."""

from __future__ import annotations

import asyncio
import sqlite3
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

from usersyncd.core.protection import Protection
from usersyncd.errors import TargetError
from usersyncd.plugin import Kind, Layout, Lookup
from usersyncd.testing import target_context
from usersyncd_sql import SqlTarget

GROUPS = Layout(("name",), "name", ruled=True)


def target(
    folder: Path, constants: Mapping[str, Any] = {}, protection: Mapping[Kind, Protection] | None = None
) -> SqlTarget:
    with sqlite3.connect(folder / "app.db") as database:
        database.executescript(
            "CREATE TABLE person (id INTEGER PRIMARY KEY, email TEXT UNIQUE NOT NULL, level INTEGER NOT NULL);"
        )
    layouts = {
        Kind.USER: Layout(("email", "level"), "email", ruled=True, constants=dict(constants)),
        Kind.GROUP: GROUPS,
    }
    options = SqlTarget.Options.model_validate({"url": "sqlite:///app.db", "tables": {"users": "person"}})
    return SqlTarget(options, target_context(folder, layouts=layouts, protection=protection))  # type: ignore[arg-type]


async def checked(target: SqlTarget) -> Sequence[str]:
    try:
        return await target.check()
    finally:
        await target.close()


def test_an_unknown_type_causes_no_warning() -> None:
    code = (
        "import usersyncd_sql.engine, warnings, sqlalchemy as sa; "
        "warnings.warn(\"Did not recognize type 'ltree' of column 'path'\", sa.exc.SAWarning)"
    )
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert ran.stderr == ""


def test_a_constant_that_fits_is_accepted(tmp_path: Path) -> None:
    assert any("person" in line for line in asyncio.run(checked(target(tmp_path, {"level": 3}))))


@pytest.mark.parametrize(
    ("level", "why"),
    [
        ("member", "column `level` accepts a whole number, not 'member'"),
        (None, "column `level` accepts no NULL"),
    ],
)
def test_a_constant_that_fits_no_row_is_named(tmp_path: Path, level: Any, why: str) -> None:
    with pytest.raises(TargetError) as raised:
        asyncio.run(checked(target(tmp_path, {"level": level})))
    assert raised.value.message.endswith(f"the constant level does not fit: {why}")
    assert raised.value.remedy == "correct `level` under `set` of the target's users"


def test_a_condition_over_a_column_that_is_not_there_stops_the_run(tmp_path: Path) -> None:
    """Such a condition would protect no object."""
    protection = {Kind.USER: Protection(condition=lambda _: False, columns=frozenset({"levl"}))}

    async def identify() -> str:
        made = target(tmp_path, protection=protection)
        try:
            return await made.identity()
        finally:
            await made.close()

    with pytest.raises(TargetError, match="has no column `levl`; the nearest is `level`"):
        asyncio.run(identify())


def test_finding_groups_without_a_table_gives_the_error_of_a_delivery(tmp_path: Path) -> None:
    async def found() -> list[Any]:
        looking = target(tmp_path)
        try:
            return [held async for held in looking.find(Kind.GROUP, [Lookup("hr", "g", "staff")])]
        finally:
            await looking.close()

    with pytest.raises(TargetError) as raised:
        asyncio.run(found())
    assert "table `groups`" in raised.value.message
