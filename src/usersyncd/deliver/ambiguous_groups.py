"""Warnings about groups with the same name, where a rule compares that name."""

from __future__ import annotations

from collections.abc import Collection, Mapping

from usersyncd.core.rules import Rules
from usersyncd.pull.save import group_name_of
from usersyncd.state.candidates import named_alike
from usersyncd.state.database import Database
from usersyncd.state.directories import DirectoryState

SHOWN = 5


def warnings(database: Database, directory: DirectoryState, rules: Rules, since: int | None) -> list[str]:
    """The warnings for one directory. ``since``: the revision that was delivered last; if no group changed after it,
    there are none."""
    with database.read() as connection:
        return warnings_about(
            named_alike(connection, directory.id, group_name_of(rules), rules.reads.group_names, since)
        )


def warnings_about(ids_by_name: Mapping[str, Collection[str]]) -> list[str]:
    """One warning for each name that several groups have."""
    return [
        f"{len(ids)} groups are called “{name}”, and a rule compares this name: the members of all of them match "
        f"({', '.join(sorted(ids)[:SHOWN])}{', …' if len(ids) > SHOWN else ''})\n"
        "  → compare the id of the right group instead, in user.group_ids"
        for name, ids in sorted(ids_by_name.items())
        if len(ids) > 1
    ]
