"""What leaves a target, for a person: ``status`` and ``check`` tell it."""

from __future__ import annotations

from collections.abc import Iterator

from rich.text import Text

from usersyncd.core.summary import many
from usersyncd.steps.leaving import Leaving


def told(one: Leaving) -> Iterator[Text]:
    """What leaves, and the commands that show it, do it, and consent to it."""
    held = f"{many(one.users, 'user')} and {many(one.groups, 'group')}"
    if one.leavers:
        held += f", and {many(one.leavers, 'leaver')} to be deleted later"
    yield Text.assemble((one.directory, "bold"), f" leaves {one.target}, which does not list it and holds {held}")
    yield Text(
        f"  → `usersyncd plan {one.directory}` shows what leaves, `usersyncd sync {one.directory}` does it within the "
        f"guard, `usersyncd sync --forget {one.directory}` whatever the guard says"
    )
