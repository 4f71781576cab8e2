"""The option ``--adopt``: a person's consent to adopt objects that a target had before, all of them or by record."""

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
        help="Adopt what the target had before: of the record with this id in its directory (repeatable), or all.",
        show_default=False,
    ),
]


class AdoptCommand(Command):
    """A command that has ``--adopt``, whose value may be left out."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        return super().parse_args(ctx, list(_with_values(args)))


def _with_values(arguments: Sequence[str]) -> Iterator[str]:
    """The arguments, and ``*`` behind each ``--adopt`` that has no value."""
    for place, argument in enumerate(arguments):
        if argument == "--":
            yield from arguments[place:]
            return
        following = arguments[place + 1 : place + 2]
        bare = argument == FLAG and (not following or following[0].startswith("-"))
        yield f"{FLAG}={ALL}" if bare else argument


def told_apart(adopt: Sequence[str], directories: Container[str]) -> tuple[list[str], frozenset[str]]:
    """What stands behind ``--adopt``: the names of directories, where everything is adopted, and whom the person
    consents to adopt for."""
    named = [one for one in adopt if one in directories]
    return named, frozenset(ALL if one in directories else one for one in adopt)
