"""The reason for which a record is refused, with a remedy."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

from usersyncd_sql import own
from usersyncd_sql.batch import Batch
from usersyncd_sql.faults import is_reference, is_unique, refusal
from usersyncd_sql.present import described
from usersyncd_sql.reflected import Key, Row
from usersyncd_sql.tables import RecordTable

DROPPED = (
    "the database accepted the row but did not store it: a trigger or a policy drops it; change it, or exclude "
    "the record by a rule"
)
UNTOUCHED = (
    "the row exists, but the database did not change it: row-level security or a trigger prevents it; grant "
    "the user of the URL the needed rights"
)
CASCADES = "if another table refers to the row by this column, add ON UPDATE CASCADE to its foreign key"
REFERS = "let the rules produce a value of the table to which the column refers"

UNSEEN = (
    "the row with this value was not found: a unique index on an expression may cause the conflict, or the user of "
    "the URL may not see the row (row-level security)"
)


def reason(
    batch: Batch, table: RecordTable, row: Row, own_keys: Collection[Key], error: Exception, *, moves: bool = False
) -> str:
    """The message of the database, and for a unique value the row that holds it.

    ``own_keys``: keys that do not count as another row; ``moves``: the row exists and its key changes.
    """
    words = str(refusal(error))
    if is_reference(error):
        return f"{words}\n  → {CASCADES if moves else REFERS}"
    if not is_unique(error):
        return words
    active = table.names.get(own.ACTIVE)
    wanted = dict(zip(table.written, row, strict=True))
    for unique in table.uniques:
        if any(wanted.get(column) is None for column in unique):
            continue
        columns = list(dict.fromkeys([table.key, *table.identity, *([active] if active else [])]))
        for _, values in batch.writer.join(table, columns, unique, [tuple(wanted[column] for column in unique)]):
            held = dict(zip(columns, values, strict=True))
            if (other := table.stored(table.key, held[table.key])) not in own_keys:
                value = ", ".join(f"`{column}` {wanted[column]!r}" for column in unique)
                at = described((table.identity, tuple(held[column] for column in table.identity)))
                place = f"`{table.key}` {other!r}" + ("" if table.identity == (table.key,) else f" ({at})")
                state, remedy = _holder(table, active, held)
                return f"{value} already belongs to the row with {place}{state}: {words}\n  → {remedy}"
    return f"{words}\n  → {UNSEEN}"


def _holder(table: RecordTable, active: str | None, held: Mapping[str, Any]) -> tuple[str, str]:
    """Whether the row with a value belongs to a leaver, and the remedy."""
    shown = None if active is None else table.attributes({active: held[active]}, whole=False)[own.ACTIVE]
    if shown is False:
        return ", which is inactive", "it probably belongs to a leaver: delete that row, or clear the value there"
    if shown is True:
        return ", which is active", "two users have the same value: correct it in the directory, or in the rules"
    return (
        "",
        "if that row belongs to a leaver, delete it or clear the value there; otherwise two users have the same value",
    )
