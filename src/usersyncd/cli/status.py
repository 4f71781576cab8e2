"""``usersyncd status``: each directory, as it stands."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import typer
from msgspec import Struct

from usersyncd.cli.common import ConfigOption, JsonOption, load_config, print_json

if TYPE_CHECKING:
    from rich.text import Text

    from usersyncd.config import Directory
    from usersyncd.state.database import Database


class Standing(Struct):
    """One directory, as docs/json.md has it. ``held``: the hash of the plan that its last finished run left held."""

    directory: str
    connector: str
    last_run: str | None = None
    last_success: str | None = None
    next_run: str | None = None
    status: str | None = None
    users: int = 0
    groups: int = 0
    memberships: int = 0
    held: str | None = None
    error: str | None = None


def status(context: typer.Context, config: ConfigOption = None, json: JsonOption = False) -> None:
    """Show each directory: its last runs, the next one, how much it holds, and what is wrong. Changes nothing."""
    from usersyncd.cli.looking import looking

    loaded = load_config(context, config)
    with looking(loaded) as database:
        found = [_standing(database, directory) for directory in loaded.directories.values()]
    if json:
        print_json({"format": 1, "directories": found})
    else:
        _show(found)


def _standing(database: Database | None, directory: Directory) -> Standing:
    found = Standing(directory.name, directory.connector)
    if database is None:
        return found

    from usersyncd.cli.documents import error_of
    from usersyncd.cli.looking import RUNNING, as_it_stands
    from usersyncd.state import journal
    from usersyncd.state.directories import known

    with database.read() as connection:
        reading = known(connection, directory.name)
        _, found.last_success = journal.last(connection, directory.name)
        runs = journal.history(connection, 2, directory.name)
    if reading is not None:
        found.users, found.groups, found.memberships = reading.users, reading.groups, reading.memberships
    if runs:
        found.last_run = runs[0].started
        found.next_run = (datetime.fromisoformat(runs[0].started) + directory.every).isoformat()
        found.status, ended = as_it_stands(database, runs[0])
        if found.status == RUNNING:
            ended = runs[-1]
        found.error = error_of(ended)
        found.held = ended.plan if any(target.held for target in ended.targets) else None
    return found


# ---- for a person


def _show(directories: list[Standing]) -> None:
    from rich.table import Table
    from rich.text import Text

    from usersyncd.cli import text
    from usersyncd.cli.report import STYLES

    now = datetime.now(UTC)
    table = Table(box=None, padding=(0, 2, 0, 0), pad_edge=False, header_style="dim")
    table.add_column("directory", overflow="fold")
    for name in ("status", "last run", "success", "next run"):
        table.add_column(name, no_wrap=True)
    for name in ("users", "groups", "memberships"):
        table.add_column(name, no_wrap=True, justify="right")
    for one in directories:
        table.add_row(
            one.directory,
            Text(one.status or "never run", style=STYLES.get(one.status or "", "yellow")),
            _ago(one.last_run, now),
            _ago(one.last_success, now),
            _due(one, now),
            f"{one.users:,}",
            f"{one.groups:,}",
            f"{one.memberships:,}",
        )
    text.show(table)
    for one in directories:
        if one.held:
            text.show(
                Text.assemble("\n", (one.directory, "bold"), ": a plan is held by its guard"),
                Text(f"  → see `usersyncd plan {one.directory}`"),
            )
        if one.error:
            text.show(Text.assemble("\n", (one.directory, "bold"), ":"))
            text.show(text.error(one.error), indent=2)


def _ago(time: str | None, now: datetime) -> str:
    from usersyncd.cli.text import age

    return f"{age(now - datetime.fromisoformat(time))} ago" if time else "–"


def _due(one: Standing, now: datetime) -> Text:
    """When the next run is; it is late when the daemon should have begun it a minute ago."""
    from rich.text import Text

    from usersyncd.cli.text import age

    if one.next_run is None or one.status == "running":
        return Text("–")
    left = datetime.fromisoformat(one.next_run) - now
    if left < -timedelta(minutes=1):
        return Text(f"{age(left)} late", style="bold red")
    return Text(f"in {age(left)}" if left > timedelta(0) else "now")
