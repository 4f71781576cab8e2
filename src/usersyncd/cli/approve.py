"""``usersyncd approve`` and ``usersyncd reject``: a person decides about the changes that the guard holds."""

from __future__ import annotations

import re
import sys
from typing import TYPE_CHECKING, Annotated

import typer

from usersyncd.cli.common import AllOption, ConfigOption, JsonOption, load_config, print_json, say
from usersyncd.cli.real_user import real_user
from usersyncd.errors import ConfigError, UsersyncError
from usersyncd.nearest import nearest

if TYPE_CHECKING:
    from collections.abc import Sequence

    from usersyncd.cli.held import Held
    from usersyncd.config import Config

LEAST = 8
"""How many digits of a hash have to be given."""
LISTS = "`usersyncd approve` lists what is held"
_HASH = re.compile(r"[0-9a-f]{1,64}")

WhatArgument = Annotated[
    str | None,
    typer.Argument(
        metavar="DIRECTORY|TARGET|HASH",
        help="The directory or target whose changes are held, or their hash (its first 8 digits are enough). Default: "
        "list everything that is held.",
        show_default=False,
    ),
]
YesOption = Annotated[bool, typer.Option("--yes", help="Do not ask.")]
ReasonOption = Annotated[
    str | None,
    typer.Option("--reason", metavar="TEXT", help="The reason, stored with the decision.", show_default=False),
]


def approve(
    context: typer.Context,
    what: WhatArgument = None,
    config: ConfigOption = None,
    yes: YesOption = False,
    reason: ReasonOption = None,
    everything: AllOption = False,
    json: JsonOption = False,
) -> None:
    """Show the held changes, and approve exactly these. The next run delivers them, once.

    The approval ends after a day. It does not cover other changes: the guard judges those as always. An approved change
    that is no longer planned is not delivered.
    """
    _run(load_config(context, config), what, reason, approved=True, yes=yes, everything=everything, json=json)


def reject(
    context: typer.Context,
    what: WhatArgument = None,
    config: ConfigOption = None,
    yes: YesOption = False,
    reason: ReasonOption = None,
    everything: AllOption = False,
    json: JsonOption = False,
    undo: Annotated[
        bool,
        typer.Option("--undo", help="End the rejections of a directory or target. The guard judges the changes again."),
    ] = False,
) -> None:
    """Show the held changes, and reject exactly these. The next run delivers the rest of the plan.

    A rejected change is not delivered until the directory or the rules ask for a different one, the record leaves its
    directory, or the rejection is undone. `usersyncd status` lists what was rejected.
    """
    if undo:
        _undo(load_config(context, config), what)
        return
    _run(load_config(context, config), what, reason, approved=False, yes=yes, everything=everything, json=json)


def _undo(config: Config, what: str | None) -> None:
    """End the rejections of a directory or target. Raises UsersyncError."""
    from usersyncd.cli import held
    from usersyncd.cli.saved_state import saved_state
    from usersyncd.words import many

    if what is None:
        raise ConfigError("`usersyncd reject --undo` needs the name of a directory or target", LISTS)
    with saved_state(config) as database:
        ended = {} if database is None else held.undo_rejections(database, what)
    if not ended:
        raise UsersyncError(f"no rejected changes of {what} are known", "`usersyncd status` lists what was rejected")
    for name, count in ended.items():
        say(f"{many(count, 'rejection')} of {name} ended. The next run plans these changes again.")


def _run(
    config: Config,
    what: str | None,
    reason: str | None,
    *,
    approved: bool,
    yes: bool,
    everything: bool,
    json: bool,
) -> None:
    from usersyncd.cli import held
    from usersyncd.cli.saved_state import saved_state

    name = "approve" if approved else "reject"
    with saved_state(config) as database:
        shares = [] if database is None else held.load(database, config)
        if what is None:
            print_json(held.document(shares)) if json else held.show_list(shares)
            return
        chosen = choose(config, shares, what)
        if not yes:
            _check_can_ask(name, what, json=json)
        assert database is not None  # noqa: S101 - the changes came from it
        _check_rejection(chosen, approved=approved)
        waiting = [one for one in chosen if one.decided(approved=approved) is None]
        if not json:
            held.show_changes(database, config, waiting, everything=everything)
        if waiting and not yes:
            typer.confirm(held.question(waiting, approved=approved), abort=True, err=True)
            reason = reason or typer.prompt("Reason (optional)", default="", show_default=False, err=True) or None
        decided = held.decide(database, waiting, approved=approved, by=real_user(), reason=reason)
    if json:
        print_json(held.document(chosen, decided))
    else:
        held.show_decisions(chosen, decided, approved=approved)


def _check_can_ask(name: str, what: str, *, json: bool) -> None:
    """Raises ConfigError if the command would have to ask, and nobody can answer."""
    if json:
        raise ConfigError(
            "--json prints the changes and does not ask",
            f"add --yes to decide; `usersyncd {name} --json` shows what is held",
        )
    if not sys.stdin.isatty():
        raise ConfigError(
            f"`usersyncd {name} {what}` asks before it decides, and there is no terminal to answer", "add --yes"
        )


def _check_rejection(shares: Sequence[Held], *, approved: bool) -> None:
    for one in shares:
        if not approved and (why := one.cannot_be_rejected):
            raise UsersyncError(why, "correct the directory or the rules, or take the directory out of the target")


# ---- which changes


def choose(config: Config, shares: Sequence[Held], what: str) -> list[Held]:
    """The held changes of a directory, of a target, or with a hash. Raises UsersyncError."""
    from usersyncd.core.approvals import digits, short

    of_directory = [one for one in shares if what == one.directory]
    of_target = [one for one in shares if what in one.targets]
    if of_directory and of_target and of_directory != of_target:
        hashes = ", ".join(dict.fromkeys(short(one.hash) for one in (*of_directory, *of_target)))
        raise UsersyncError(
            f"{what} is the name of a directory and of a target, and changes of both are held",
            f"give a hash instead: {hashes}",
        )
    if found := of_directory or of_target:
        return found
    known = [*config.directories, *config.targets]
    if what in known:
        raise UsersyncError(f"no changes of {what} are held", LISTS)
    wanted = digits(what)
    if not _HASH.fullmatch(wanted):
        raise ConfigError(f"{what} is neither a directory, nor a target, nor a hash{nearest(what, known)}", LISTS)
    return _by_hash(shares, wanted)


def _by_hash(shares: Sequence[Held], wanted: str) -> list[Held]:
    from usersyncd.core.approvals import digits

    if len(wanted) < LEAST:
        raise ConfigError(f"{wanted} is too short for a hash", f"give at least {LEAST} digits")
    found = [one for one in shares if digits(one.hash).startswith(wanted)]
    if len(found) > 1:
        several = ", ".join(f"{digits(one.hash)} ({one.name})" for one in found)
        raise UsersyncError(f"several held plans have a hash that begins with {wanted}: {several}", "give more digits")
    if not found:
        raise UsersyncError(
            f"no held changes have the hash {wanted}: they were delivered, or the plan has changed",
            f"{LISTS}; a hash that only `usersyncd plan` showed can be approved after `usersyncd sync` held the plan",
        )
    return found
