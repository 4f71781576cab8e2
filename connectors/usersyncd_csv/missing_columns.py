"""Columns that the rules read and the header lacks: without a warning, a misspelt column would silently be null for all
records."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from difflib import get_close_matches

from usersyncd.plugin import CANONICAL, Kind
from usersyncd_csv.client import Table
from usersyncd_csv.mapping import ACTIVE, ID, VALIDITY

ALIKE = 0.75
"""Minimum similarity (difflib's ratio) of two names for one to be suggested for the other."""


def missing_columns(table: Table, kind: Kind, reads: frozenset[str] | None, mapped: Collection[str]) -> Iterator[str]:
    """A warning for each column that the rules read and the file lacks. ``mapped``: canonical attributes that the admin
    maps.

    Targets without ``set`` accept whatever canonical attributes exist. Then a missing column gets a warning only if the
    file has a column with a similar name.
    """
    if reads is None:
        return
    usual = {*CANONICAL[kind]} - {ID, *mapped}
    optional = usual if usual <= reads else {ACTIVE, *VALIDITY}
    for name in sorted(reads - {*table.columns, ID}):
        similar = _nearest(name, [column for column in table.columns if name not in optional or column not in reads])
        if similar is not None or name not in optional:
            hint = f"did you mean {similar}?" if similar else f"it has {', '.join(table.columns)}"
            yield f"{table.path}: the rules read the column {name} of {kind}s, which the header lacks: {hint}"


def _nearest(name: str, columns: Sequence[str]) -> str | None:
    plain = {_plain(column): column for column in columns}
    close = get_close_matches(_plain(name), plain, n=1, cutoff=ALIKE)
    return plain[close[0]] if close else None


def _plain(name: str) -> str:
    return "".join(filter(str.isalnum, name.casefold()))
