"""The option ``--adopt``: consent to adopt objects that a target had before, for all records or for single ones."""

from __future__ import annotations

from collections.abc import Container, Iterator, Sequence
from typing import Annotated, Any

import typer

from usersyncd.cli.flags import Command
from usersyncd.options import ALL

FLAG = "--adopt"

AdoptOption = Annotated[
    list[str] | None,
    typer.Option(
        FLAG,
        metavar="[ID]",
        help="Link the record with this id to the object that the target had before. Repeatable. Without ID: all "
        "records.",
        show_default=False,
    ),
]


class AdoptCommand(Command):
    """A command that has ``--adopt``, whose value may be left out."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        return super().parse_args(ctx, list(_with_values(args)))


def _with_values(arguments: Sequence[str]) -> Iterator[str]:
    """The arguments, with ``*`` as the value of each ``--adopt`` that has none."""
    for place, argument in enumerate(arguments):
        if argument == "--":
            yield from arguments[place:]
            return
        following = arguments[place + 1 : place + 2]
        bare = argument == FLAG and (not following or following[0].startswith("-"))
        yield f"{FLAG}={ALL}" if bare else argument


def split_values(values: Sequence[str], directories: Container[str]) -> tuple[list[str], frozenset[str]]:
    """Split the values of ``--adopt`` into directories and record ids.

    Returns the directories that are named, and the ids of the records for which objects may be adopted. A directory
    (``sync --adopt hr``) stands for all records: its id is ``*``.
    """
    named = [one for one in values if one in directories]
    return named, frozenset(ALL if one in directories else one for one in values)
