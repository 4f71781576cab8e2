"""Columns that the rules read and the header lacks: a name that is written otherwise there would be null for everybody,
and nobody would be told."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from difflib import get_close_matches

from usersyncd.plugin import CANONICAL, Kind
from usersyncd_csv.client import Table
from usersyncd_csv.mapping import ACTIVE, ID

ALIKE = 0.75
"""How alike two names are at least (difflib's ratio) so that one may be meant by the other."""


def lacking(table: Table, kind: Kind, reads: frozenset[str] | None, mapped: Collection[str]) -> Iterator[str]:
    """What to say of each column that is read and is not there. ``mapped``: canonical attributes that the admin maps.

    A target without rules of its own takes whatever canonical attributes there are. Then a column is missed only if the
    file has one of its own that is named much like it.
    """
    if reads is None:
        return
    usual = {*CANONICAL[kind]} - {ID, *mapped}
    optional = usual if usual <= reads else {ACTIVE}
    for name in sorted(reads - {*table.columns, ID}):
        meant = _nearest(name, [column for column in table.columns if name not in optional or column not in reads])
        if meant is not None or name not in optional:
            there = f"did you mean {meant}?" if meant else f"it has {', '.join(table.columns)}"
            yield f"{table.path}: the rules read the column {name} of {kind}s, which the header lacks: {there}"


def _nearest(name: str, columns: Sequence[str]) -> str | None:
    plain = {_plain(column): column for column in columns}
    close = get_close_matches(_plain(name), plain, n=1, cutoff=ALIKE)
    return plain[close[0]] if close else None


def _plain(name: str) -> str:
    return "".join(filter(str.isalnum, name.casefold()))
