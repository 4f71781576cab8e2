"""The changes of a run, one line each, with the names of the people and groups."""

from __future__ import annotations

from usersyncd.cli.names import RecordNames
from usersyncd.cli.text import clean, value
from usersyncd.plugin import Kind
from usersyncd.state import journal
from usersyncd.state.database import Database
from usersyncd.state.journal import Entry

DONE = {
    "create": "created", "adopt": "adopted", "update": "updated", "deactivate": "deactivated",
    "reactivate": "reactivated", "delete": "deleted",
}  # fmt: skip
WIDEST = 40
"""Longer values are cut, so that each change stays on one line."""


def change_lines(database: Database, names: RecordNames, run: str, target: str) -> list[str]:
    """The changes that a run made in a target, of the directory of ``names``. Loads all of them at once, so call it
    only for a few. Raises StateError."""
    with database.read() as connection:
        entries = [
            one for one in journal.entries(connection, run) if one.target == target and one.directory == names.directory
        ]
    for kind in Kind:
        names.load(kind, (one.id for one in entries if one.kind == kind))
        names.load(kind, (member.id for one in entries for member in one.members if member.kind == kind))
    return [change_line(entry, names) for entry in entries]


def change_line(entry: Entry, names: RecordNames) -> str:
    """``updated Ada Lovelace: title Engineer → Director``, ``added Ada Lovelace to web``."""
    name = names.short(Kind(entry.kind), entry.id)
    if entry.members:
        members = ", ".join(names.short(member.kind, member.id) for member in entry.members)
        return f"added {members} to {name}" if entry.op == "add" else f"removed {members} from {name}"
    text = f"{DONE[entry.op]} {'group ' if entry.kind == Kind.GROUP else ''}{name}"
    changes = ", ".join(differences(entry)) if entry.op in ("adopt", "update") else ""
    return f"{text}: {changes}" if changes else text


def differences(entry: Entry) -> list[str]:
    """``title Engineer → Director`` for each changed attribute."""
    before, after = entry.before or {}, entry.after or {}
    return [
        f"{clean(name)} {_short(before.get(name))} → {_short(after.get(name))}"
        for name in {**before, **after}
        if before.get(name) != after.get(name)
    ]


def _short(of: object) -> str:
    text = value(of).plain  # type: ignore[arg-type]
    return text if len(text) <= WIDEST else f"{text[: WIDEST - 1]}…"
