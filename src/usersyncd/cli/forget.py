"""``usersyncd forget``: sets of links that no target of the configuration uses."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from usersyncd.cleaning import clean
from usersyncd.cli.common import ConfigOption, JsonOption, load_config, print_json, say
from usersyncd.errors import UsersyncError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from usersyncd.state.targets import LinkSet


def forget(
    context: typer.Context,
    target: Annotated[
        str | None,
        typer.Argument(
            metavar="TARGET", help="The set to forget: the target's name, or its number.", show_default=False
        ),
    ] = None,
    config: ConfigOption = None,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
    json: JsonOption = False,
) -> None:
    """List the sets of links that no target uses any more, or forget one of them. Changes no target.

    A set of links stays when a target is moved, replaced, or taken out of the file. Without it, usersyncd no longer
    knows which objects of that target belong to which records.
    """
    from usersyncd.cli.saved_state import saved_state
    from usersyncd.state import targets

    loaded = load_config(context, config)
    with saved_state(loaded) as database:
        sets: list[LinkSet] = []
        if database is not None:
            with database.read() as connection:
                sets = targets.unused(connection, list(loaded.targets))
        if target is None:
            print_json({"format": 1, "targets": sets}) if json else _show(sets)
            return
        chosen = _chosen(sets, target)
        assert database is not None  # noqa: S101 - the set came from it
        if not yes:
            typer.confirm(clean(f"Forget {_described(chosen)}?"), abort=True, err=True)
        with database.write() as connection:
            targets.drop(connection, chosen.number)
    if json:
        print_json({"format": 1, "targets": [chosen]})
    else:
        say(f"Forgotten: {_described(chosen)}.")


def _chosen(sets: Sequence[LinkSet], word: str) -> LinkSet:
    found = [one for one in sets if word in (one.target, str(one.number))]
    if len(found) == 1:
        return found[0]
    if found:
        numbers = ", ".join(str(one.number) for one in found)
        raise UsersyncError(f"several sets of links belong to a target {word}: {numbers}", "give the number of one")
    raise UsersyncError(
        f"there is no set of links {word}, or a target of the configuration file uses it",
        "give a target or a number that `usersyncd forget` lists",
    )


def _described(one: LinkSet) -> str:
    from usersyncd.words import many

    return f"the links of {many(one.users, 'user')} and {many(one.groups, 'group')} of {one.target}: {one.identity}"


def _show(sets: Sequence[LinkSet]) -> None:
    from rich.table import Table
    from rich.text import Text

    from usersyncd.cli import text

    if not sets:
        say("Every set of links is used by a target.")
        return
    table = Table(box=None, padding=(0, 2, 0, 0), pad_edge=False, header_style="dim")
    table.add_column("number", justify="right")
    table.add_column("target", overflow="fold")
    for name in ("users", "groups"):
        table.add_column(name, no_wrap=True, justify="right")
    table.add_column("identity", overflow="fold")
    for one in sets:
        numbers = f"{one.users:,}", f"{one.groups:,}"
        table.add_row(str(one.number), one.target, *numbers, Text(text.clean(one.identity or "never reached")))
    text.show(table)
