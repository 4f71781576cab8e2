"""The changes of a plan or a run, as text for a person."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import groupby
from typing import Any

from msgspec import Struct, json
from rich.console import RenderableType
from rich.padding import Padding
from rich.text import Text

from usersyncd.cli.names import RecordNames
from usersyncd.cli.text import BLANK, clean, grid, hanging, value
from usersyncd.core import summary
from usersyncd.core.plan import differences
from usersyncd.core.report import Counts
from usersyncd.plugin import Kind, Value

MEMBERS = 4
"""How many members of a changed group are named without ``--all``."""
VALUES = 4
"""How many values of a new record are shown without ``--all``."""
ACTIVE = ("active", True)
"""The attribute that is not shown for a new record: it is obvious."""

Change = dict[str, Any]
"""A change in the form of JSON documents."""

_SIGNS = {
    "create": ("+ ", "green"), "adopt": ("~ ", "yellow"), "update": ("~ ", "yellow"), "reactivate": ("+ ", "green"),
    "add": ("+ ", "green"), "deactivate": ("- ", "red"), "delete": ("- ", "red"), "remove": ("- ", "red"),
}  # fmt: skip


def describe(
    changes: Iterable[bytes], counts: Counts, names: RecordNames, *, would: bool, everything: bool
) -> Iterator[RenderableType]:
    """Show each sort of change under its heading.

    ``changes`` may hold only the first changes of each sort; ``counts`` has the totals. ``would``: they are only
    planned.
    """
    found: list[Change] = [json.decode(change) for change in changes]
    _load_names(found, names)
    by_sort = sorted(found, key=_place)
    for place, ((op, kind), group) in enumerate(
        groupby(by_sort, key=lambda change: (change["op"], Kind(change["kind"])))
    ):
        if place:
            yield BLANK
        shown = list(group)
        total = _total(counts, op, kind)
        yield Text(f"{summary.some(total, _word(op, kind), op, would=would)}:", style="bold")
        named = sum(len(change["members"]) or 1 for change in shown)
        for change in shown:
            yield from _lines(change, op, kind, names, everything=everything)
        if named < total:
            yield Text(f"… and {total - named:,} more (--all shows them)", style="dim")


def _place(change: Change) -> int:
    """The position of a sort of change: new records first, leavers last."""
    order = ("create", "adopt", "update", "reactivate", "add", "remove", "deactivate", "delete")
    return order.index(change["op"]) * 2 + int(change["kind"] == Kind.GROUP)


def _total(counts: Counts, op: str, kind: Kind) -> int:
    part: Struct = (
        counts.memberships if op in ("add", "remove") else counts.users if kind is Kind.USER else counts.groups
    )
    return int(getattr(part, op))


def _word(op: str, kind: Kind) -> str:
    return "membership" if op in ("add", "remove") else kind.value


def _load_names(changes: Sequence[Change], names: RecordNames) -> None:
    records = [record for change in changes for record in (change, *change["members"])]
    for kind in Kind:
        names.load(kind, (record["id"] for record in records if record["kind"] == kind))
    for change in changes:
        if change["before"] is not None:
            names.add(Kind(change["kind"]), change["id"], change["before"])


def _lines(change: Change, op: str, kind: Kind, names: RecordNames, *, everything: bool) -> Iterator[RenderableType]:
    who = names.full(kind, change["id"], change["key"])
    if change["members"]:
        who = f"{len(change['members']):,} {'to' if op == 'add' else 'from'} {who}: "
        who += _members(change["members"], names, everything=everything)
    yield hanging(Text(*_SIGNS[op]), Text(who))
    if change["after"] is not None:
        yield from _values(op, change, names.short(kind, change["id"]), everything=everything)


def _members(members: list[dict[str, Any]], names: RecordNames, *, everything: bool) -> str:
    shown = members if everything else members[:MEMBERS]
    text = ", ".join(names.short(Kind(member["kind"]), member["id"]) for member in shown)
    more = len(members) - len(shown)
    return f"{text} and {more:,} more" if more else text


def _values(op: str, change: Change, name: str, *, everything: bool) -> Iterator[RenderableType]:
    """Show what the change writes.

    A new record shows its first values in one line, without name, id and key, which stand above it. ``everything``
    shows all of them.
    """
    before, after = change["before"], change["after"]
    if before is not None:
        yield from _below([(what, _became(old, new)) for what, old, new in differences(op, before, after)])
        return
    held = [(what, new) for what, new in after.items() if new is not None and (what, new) != ACTIVE]
    if everything:
        yield from _below([(what, value(new)) for what, new in held])
    else:
        known = (name, change["id"], change["key"])
        yield from _in_one_line([(what, value(new)) for what, new in held if new not in known])


def _became(old: Value, new: Value) -> Text:
    return value(new) if old == new else Text.assemble(value(old), " → ", value(new))


def _below(lines: Sequence[tuple[str, Text]]) -> Iterator[RenderableType]:
    table = grid(2)
    for name, text in lines:
        table.add_row(Text(clean(name), style="dim"), text)
    if lines:
        yield Padding(table, (0, 0, 0, 4), expand=False)


def _in_one_line(lines: Sequence[tuple[str, Text]]) -> Iterator[RenderableType]:
    parts = [Text.assemble((f"{clean(name)} ", "dim"), text) for name, text in lines[:VALUES]]
    if more := len(lines) - len(parts):
        parts.append(Text(f"… and {more} more", style="dim"))
    if parts:
        yield hanging("    ", Text(" · ").join(parts))
