"""Detects ids that an export or a spreadsheet damaged. A record with such an id would be taken for another one."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import NamedTuple

from usersyncd.errors import SourceError
from usersyncd_csv.client import Table, shortened


class IdDamage(NamedTuple):
    """One kind of damage: ``pattern`` finds it in a cell; ``problem`` and ``remedy`` are for the message."""

    pattern: str
    problem: str
    remedy: str


DAMAGES = (
    IdDamage(
        "\ufeff",
        "an invisible byte order mark (BOM, U+FEFF) in an id: two files were concatenated",
        "concatenate the files without byte order marks and with one header line; or let the export write one file",
    ),
    # Without the two joiners (U+200C, U+200D): Persian and Indic scripts have them within words.
    IdDamage(
        "[\xad\u061c\u180e\u200b\u200e\u200f\u202a-\u202e\u2060-\u2069]",
        "an invisible character in an id",
        "remove the character where the id is stored (it was probably pasted), and export again",
    ),
    IdDamage(
        r"^[\s\x00-\x1f\x7f\u200c\u200d]+\S|\S[\s\x00-\x1f\x7f\u200c\u200d]+\Z",
        "spaces around an id",
        "let the export write plain ids: no fixed width, no padding, no space after the delimiter",
    ),
    IdDamage(
        r"^=|^'\d",
        "an id in the form of a text cell for Excel",
        'let the export write plain ids: 0042, not ="0042" or \'0042; switch off its Excel format',
    ),
    IdDamage(
        r"""^"(?s:.*)"\Z|^'(?s:.*)'\Z""",
        "quotes around an id",
        "let the export write each cell in one pair of double quotes, or without quotes",
    ),
    # Excel's error values are translated: #VALUE! is #WERT! in German, #¡VALOR! in Spanish; #N/A is #NV, #N/D.
    IdDamage(
        r"^#(?:¡|¿)?(?:[\w/]+[!?]|N/A|N/D|NV|#+)\Z",
        "an error of the spreadsheet, not an id",
        "correct the formula in this cell, or make its column wider, and export again",
    ),
    IdDamage(
        r"^-?\d(?:[.,]\d+)?[Ee]\+\d+\Z",
        "a number that a spreadsheet shortened, not an id",
        "set the column's format to Text before loading the ids, and export again; this file has lost digits",
    ),
)

_DAMAGED = re.compile("|".join(damage.pattern for damage in DAMAGES))

_USUAL = re.compile(r"[\w.:@/{}-]*")
"""Characters of undamaged ids. Searching many ids at once for other characters takes a tenth of the time."""


def check_ids(table: Table, columns: Sequence[str], first: int, rows: Sequence[list[str]]) -> None:
    """Raises SourceError for a damaged id in ``columns``, and for a header line among the rows. ``first`` is the number
    of the first row."""
    for column in columns:
        index = table.columns.index(column)
        cells = {row[index] for row in rows}
        suspects = cells.intersection(table.columns)
        if not _USUAL.fullmatch("".join(cells)):
            suspects.update(filter(_DAMAGED.search, cells))
        for number, row in enumerate(rows, first) if suspects else ():
            if row[index] in suspects and (fault := _fault(table, number, row, column)):
                raise fault


def _fault(table: Table, number: int, row: Sequence[str], column: str) -> SourceError | None:
    if _is_header(row, table.columns):
        return table.fault(
            number,
            "this is a header line among the rows: two files were concatenated",
            "remove the line; or let the export write one file with one header line",
        )
    cell = row[table.columns.index(column)]
    for pattern, problem, remedy in DAMAGES:
        if re.search(pattern, cell):
            return table.fault(number, f"{column} is {shortened(cell)!r}: {problem}", remedy)
    return None


def _is_header(row: Sequence[str], columns: Sequence[str]) -> bool:
    """Whether a row is a header line. A single name may be an id: ``id`` is the code of Indonesia."""
    return len({*row} & {*columns}) >= min(2, len(columns))
