"""Ids that an export or a spreadsheet changed. Whoever has such an id would be taken for somebody else."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import NamedTuple

from usersyncd.errors import SourceError
from usersyncd_csv.client import Table, shortened


class Change(NamedTuple):
    """What changes ids: ``pattern`` finds it in a cell. What to say of the cell, and the remedy."""

    pattern: str
    wrong: str
    remedy: str


CHANGES = (
    Change(
        "\ufeff",
        "an invisible byte order mark (BOM, U+FEFF) in an id: two files were put together",
        "put the files together without byte order marks, and with one header line; or let the export write one file",
    ),
    # Not the two joiners (U+200C, U+200D): Persian and Indic scripts have them within words.
    Change(
        "[\xad\u061c\u180e\u200b\u200e\u200f\u202a-\u202e\u2060-\u2069]",
        "an invisible character in an id",
        "remove the character where the id is kept (it came in by copy and paste), and export again",
    ),
    Change(
        r"^[\s\x00-\x1f\x7f\u200c\u200d]+\S|\S[\s\x00-\x1f\x7f\u200c\u200d]+\Z",
        "spaces around an id",
        "let the export write ids bare: no fixed width, no padding, no space after the delimiter",
    ),
    Change(
        r"^=|^'\d",
        "an id in the form of a text cell for Excel",
        'let the export write ids bare: 0042, not ="0042" and not \'0042; switch off its form for Excel',
    ),
    Change(
        r"""^"(?s:.*)"\Z|^'(?s:.*)'\Z""",
        "quotes around an id",
        "let the export write each cell in one pair of double quotes, or in none",
    ),
    # Excel's error values are translated: #VALUE! is #WERT! in German, #¡VALOR! in Spanish; #N/A is #NV, #N/D.
    Change(
        r"^#(?:¡|¿)?(?:[\w/]+[!?]|N/A|N/D|NV|#+)\Z",
        "an error of the spreadsheet, and no id",
        "correct the formula in this cell, or make its column wider, and export again",
    ),
    Change(
        r"^-?\d(?:[.,]\d+)?[Ee]\+\d+\Z",
        "a number that a spreadsheet shortened, and no id",
        "give the column the format Text before the ids are loaded, and export again; digits are lost in this file",
    ),
)

_CHANGED = re.compile("|".join(change.pattern for change in CHANGES))

_USUAL = re.compile(r"[\w.:@/{}-]*")
"""Characters that no change leaves behind. To look for others in many ids at once takes a tenth of the time."""


def check_ids(table: Table, columns: Sequence[str], first: int, rows: Sequence[list[str]]) -> None:
    """Raises SourceError for a cell of ``columns`` whose id was changed, and for a header among the rows, of which
    ``first`` is the number of the first."""
    for column in columns:
        index = table.columns.index(column)
        cells = {row[index] for row in rows}
        suspects = cells.intersection(table.columns)
        if not _USUAL.fullmatch("".join(cells)):
            suspects.update(filter(_CHANGED.search, cells))
        for number, row in enumerate(rows, first) if suspects else ():
            if row[index] in suspects and (fault := _fault(table, number, row, column)):
                raise fault


def _fault(table: Table, number: int, row: Sequence[str], column: str) -> SourceError | None:
    if _is_header(row, table.columns):
        return table.fault(
            number,
            "this is a header line among the rows: two files were put together",
            "remove the line; or let the export write one file with one header line",
        )
    cell = row[table.columns.index(column)]
    for pattern, wrong, remedy in CHANGES:
        if re.search(pattern, cell):
            return table.fault(number, f"{column} is {shortened(cell)!r}: {wrong}", remedy)
    return None


def _is_header(row: Sequence[str], columns: Sequence[str]) -> bool:
    """Whether a row names columns. One name alone may be an id: ``id`` is the code of Indonesia."""
    return len({*row} & {*columns}) >= min(2, len(columns))
