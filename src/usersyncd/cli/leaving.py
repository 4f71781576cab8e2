"""Text about directories that leave a target, for ``status`` and ``check``."""

from __future__ import annotations

from collections.abc import Container, Iterator

from rich.text import Text

from usersyncd.deliver.leaving_directories import Leaving
from usersyncd.words import many


def describe_leaving(one: Leaving, configured: Container[str]) -> Iterator[Text]:
    """A directory that leaves a target, and the commands that show, deliver and approve this.

    ``configured``: the directories that are in the file.
    """
    name = one.directory
    held = [f"{many(one.users, 'user')} and {many(one.groups, 'group')}"] if one.users + one.groups else []
    if one.leavers:
        held.append(f"{many(one.leavers, 'leaver')} to be deleted later")
    yield Text.assemble((name, "bold"), f" leaves {one.target}, which does not list it and holds {', and '.join(held)}")
    if one.users + one.groups:
        yield Text(
            f"  → `usersyncd plan {name}` shows what leaves, `usersyncd sync {name}` removes it; if the guard holds "
            f"this, `usersyncd approve {name}` lets it through"
        )
        if name not in configured:
            yield Text(f"  → {former_name(name)}")


def former_name(directory: str) -> str:
    """What to do if a directory is missing from the file only because it has a new name."""
    return f"If {directory} has another name now, write `was: {directory}` under that name, before anything leaves."
