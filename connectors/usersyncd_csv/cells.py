"""The rules for cells, column by column."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from typing import NamedTuple

from usersyncd.plugin import Kind
from usersyncd_csv.client import Table, shortened
from usersyncd_csv.mapping import ACTIVE, DATES, GROUP_ID, ID, MEMBER_ID, MEMBER_KIND, TRUTH, is_date


class CellRule(NamedTuple):
    """What the cells of ``column`` must be: ``is_valid`` is true for each. ``problem`` and ``remedy`` are for the
    message about another cell."""

    column: str
    is_valid: Callable[[str], object]
    problem: str
    remedy: str


GROUP_RULES = (CellRule(ID, str.strip, "the id is missing", "give the record an id that never changes"),)


def _day_first(column: str) -> str:
    """The expression for dates such as 31.12.2026."""
    raw = f"raw.{column}"
    return f'{raw} == null ? null : {raw}.substring(6) + "-" + {raw}.substring(3, 5) + "-" + {raw}.substring(0, 2)'


_CANONICAL = (
    CellRule(
        ACTIVE,
        lambda cell: not cell or cell.lower() in TRUTH,
        "neither true nor false",
        "write true or false; if you cannot change the file, map the column with its word for true, such as "
        """`attributes: {active: 'raw.active == "WAHR"'}`""",
    ),
    *(
        CellRule(
            name,
            lambda cell: not cell or is_date(cell),
            "not a date",
            "write ISO 8601: 2026-03-31 or 2026-03-31T17:00:00+02:00; if you cannot change the file, map the column, "
            f"for 31.12.2026 with `attributes: {{{name}: '{_day_first(name)}'}}`",
        )
        for name in DATES
    ),
)


def user_rules(key: str, reads: frozenset[str] | None, mapped: Collection[str]) -> Sequence[CellRule]:
    """The rules for the file of users, with ids in the column ``key``. The rule of a canonical attribute applies only
    if the rules read the column (``reads``; None: all) and the admin does not map the attribute."""
    read = (rule for rule in _CANONICAL if (reads is None or rule.column in reads) and rule.column not in mapped)
    return [GROUP_RULES[0]._replace(column=key), *read]


def membership_rules(groups: set[str]) -> Sequence[CellRule]:
    """The rules for the file of memberships, given the ids of the known groups."""
    return (
        CellRule(
            GROUP_ID,
            groups.__contains__,
            "the file of groups has no such group",
            "add the group there, or remove its rows here; until then nothing changes in this directory",
        ),
        CellRule(MEMBER_ID, str.strip, "the id is missing", "name the member, or remove the row"),
        CellRule(
            MEMBER_KIND,
            ("", *Kind).__contains__,
            "not a kind of member",
            "write user or group, or leave the cell empty",
        ),
    )


def check_cells(table: Table, rules: Sequence[CellRule], first: int, rows: Sequence[list[str]]) -> None:
    """Raises SourceError for a cell that breaks a rule. ``first`` is the number of the first row."""
    for column, is_valid, problem, remedy in rules:
        if column not in table.columns:
            continue
        index = table.columns.index(column)
        # Cells of a column are often equal, and building a set of them is fast.
        bad = {cell for cell in {row[index] for row in rows} if not is_valid(cell)}
        if bad:
            place, row = next((place, row) for place, row in enumerate(rows) if row[index] in bad)
            key = rules[0].column
            whose = f" (id {shortened(row[table.columns.index(key)])})" if column != key and key != GROUP_ID else ""
            raise table.fault(first + place, f"{column} is {shortened(row[index])!r}{whose}: {problem}", remedy)
