"""The forms that cells must have, column by column."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from typing import NamedTuple

from usersyncd.plugin import Kind
from usersyncd_csv.client import Table, shortened
from usersyncd_csv.mapping import ACTIVE, DATES, GROUP_ID, ID, MEMBER_ID, MEMBER_KIND, TRUTH, is_date


class Form(NamedTuple):
    """What the cells of ``column`` must be: ``right`` says something true of them. Else: what is wrong, the remedy."""

    column: str
    right: Callable[[str], object]
    wrong: str
    remedy: str


GROUPS = (Form(ID, str.strip, "there is no id", "give the record the id that it keeps for good"),)


def _day_first(column: str) -> str:
    """The expression that reads dates such as 31.12.2026."""
    raw = f"raw.{column}"
    return f'{raw} == null ? null : {raw}.substring(6) + "-" + {raw}.substring(3, 5) + "-" + {raw}.substring(0, 2)'


_CANONICAL = (
    Form(
        ACTIVE,
        lambda cell: not cell or cell.lower() in TRUTH,
        "neither true nor false",
        "write true or false; if the file is not yours, map the column with its word for true, such as "
        """`attributes: {active: 'raw.active == "WAHR"'}`""",
    ),
    *(
        Form(
            name,
            lambda cell: not cell or is_date(cell),
            "no date",
            "write ISO 8601: 2026-03-31 or 2026-03-31T17:00:00+02:00; if the file is not yours, map the column, "
            f"31.12.2026 with `attributes: {{{name}: '{_day_first(name)}'}}`",
        )
        for name in DATES
    ),
)


def users(key: str, reads: frozenset[str] | None, mapped: Collection[str]) -> Sequence[Form]:
    """The forms of the file of users, whose ids are in the column ``key``. A column has to have the form of its
    canonical attribute only if rules read it (``reads``; None: all) and the admin does not map the attribute."""
    read = (form for form in _CANONICAL if (reads is None or form.column in reads) and form.column not in mapped)
    return [GROUPS[0]._replace(column=key), *read]


def memberships(groups: set[str]) -> Sequence[Form]:
    """The forms of the file of memberships, when these groups are known."""
    return (
        Form(
            GROUP_ID,
            groups.__contains__,
            "the file of groups has no such group",
            "add the group there, or remove its rows here; until then nothing of this directory is changed",
        ),
        Form(MEMBER_ID, str.strip, "there is no id", "name the member, or remove the row"),
        Form(
            MEMBER_KIND, ("", *Kind).__contains__, "no kind of member", "write user or group, or leave the cell empty"
        ),
    )


def check(table: Table, forms: Sequence[Form], first: int, rows: Sequence[list[str]]) -> None:
    """Raises SourceError for a cell that has not its form. ``first`` is the number of the first of the rows."""
    for column, right, wrong, remedy in forms:
        if column not in table.columns:
            continue
        index = table.columns.index(column)
        # Cells of a column are often alike, and a set of them is quickly built.
        bad = {cell for cell in {row[index] for row in rows} if not right(cell)}
        if bad:
            place, row = next((place, row) for place, row in enumerate(rows) if row[index] in bad)
            key = forms[0].column
            whose = f" (id {shortened(row[table.columns.index(key)])})" if column != key and key != GROUP_ID else ""
            raise table.fault(first + place, f"{column} is {shortened(row[index])!r}{whose}: {wrong}", remedy)
