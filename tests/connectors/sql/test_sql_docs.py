"""docs/sql.md lists the tables that usersyncd creates."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import sqlalchemy as sa

from usersyncd.plugin import CANONICAL, Kind, Layout
from usersyncd_sql import own

PAGE = (Path(__file__).parents[3] / "docs" / "sql.md").read_text(encoding="utf-8")
ROWS = re.search(r"^\| table \| columns \| primary key \|\n\|[-|]+\n((?:\|.*\n)+)", PAGE, re.MULTILINE)[1].splitlines()  # type: ignore[index]


def definition(name: str) -> sa.Table:
    if name == "group_members":
        return own.edge_table(name, None)
    kind = Kind(name.removesuffix("s"))
    return own.record_table(name, None, kind, Layout(CANONICAL[kind], "id", ruled=False), "app")


@pytest.mark.parametrize("row", ROWS)
def test_the_tables_have_the_columns_and_keys_that_the_page_lists(row: str) -> None:
    name, columns, key = (cell.strip().strip("`") for cell in row.strip("|").split("|"))
    table = definition(name)
    first, _, last = columns.partition(", …, ")
    actual = [column.name for column in table.columns]
    assert actual[: len(first.split(", "))] == first.split(", ")
    assert (actual[-len(last.split(", ")) :] if last else actual) == (last or first).split(", ")
    primary = [column.name for column in table.primary_key]
    assert primary == (actual if key == "all three" else key.split(", "))
