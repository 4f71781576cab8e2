"""Beside the plan: groups of one name, where a rule goes by that name."""

from __future__ import annotations

from collections.abc import Collection, Mapping

from usersyncd.core.rules import Rules
from usersyncd.pull.save import group_name_of
from usersyncd.state.candidates import named_alike
from usersyncd.state.database import Database
from usersyncd.state.directories import DirectoryState

SHOWN = 5


def notes(database: Database, directory: DirectoryState, rules: Rules, since: int | None) -> list[str]:
    """What a person should know of such groups. ``since``: nothing, if no group changed after that pull."""
    with database.read() as connection:
        return warnings(named_alike(connection, directory.id, group_name_of(rules), rules.reads.group_names, since))


def warnings(found: Mapping[str, Collection[str]]) -> list[str]:
    """One text for each name, from the ids of its groups."""
    return [
        f"{len(ids)} groups are called “{name}”, and a rule goes by that name: whoever is in one of them counts "
        f"({', '.join(sorted(ids)[:SHOWN])}{', …' if len(ids) > SHOWN else ''})\n"
        "  → let the rule go by the id of the group that is meant, in user.group_ids"
        for name, ids in sorted(found.items())
        if len(ids) > 1
    ]
