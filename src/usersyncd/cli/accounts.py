"""``usersyncd accounts``: the objects of a target that no record is linked to."""

from __future__ import annotations

import sys
from collections.abc import Collection, Iterator, Mapping
from typing import TYPE_CHECKING, Annotated

import typer

from usersyncd.cleaning import clean, clean_json
from usersyncd.cli.common import ConfigOption, JsonOption, load_config, print_json
from usersyncd.errors import ConfigError

if TYPE_CHECKING:
    from rich.table import Table
    from rich.text import Text

    from usersyncd.cli.unlinked import Account, AdoptionCandidate
    from usersyncd.config import Config

HEADER = (
    "target", "kind", "target_id", "key", "protected", "attributes",
    "directory", "id", "name", "why", "linked", "first", "adopt",
)  # fmt: skip
WIDEST = 60
"""The attributes of an account are cut after this many characters."""


def accounts(
    context: typer.Context,
    target: Annotated[
        str | None, typer.Argument(metavar="TARGET", help="The target. Default: all.", show_default=False)
    ] = None,
    config: ConfigOption = None,
    json: JsonOption = False,
    csv: Annotated[
        bool, typer.Option("--csv", help="Print CSV, with a row for each account and candidate record.")
    ] = False,
) -> None:
    """Show the accounts and groups of a target that are linked to no record, and the records that might own them.

    Changes nothing.
    """
    import asyncio

    from usersyncd import logs
    from usersyncd.cli.saved_state import saved_state
    from usersyncd.cli.unlinked import unlinked
    from usersyncd.job import jobs

    if json and csv:
        raise ConfigError("--json and --csv exclude each other", "choose one of them")
    logs.configure("warning")
    loaded = load_config(context, config)
    names = _chosen(loaded, target)
    found = jobs(loaded).values()
    held: dict[str, list[Account]] = {}
    with saved_state(loaded) as database:
        for name in names:
            receiving = [one for one in found if _receives(loaded, name, one.directory.name)]
            held[name] = asyncio.run(unlinked(database, loaded, receiving, name))
            if not json and not csv:
                _show(name, held[name])
    if json:
        listed = [{"target": name, "accounts": some} for name, some in held.items()]
        print_json({"format": 1, "targets": listed})
    elif csv:
        _write_csv(held)


def _receives(config: Config, target: str, directory: str) -> bool:
    return directory in config.targets[target].directories


def _chosen(config: Config, target: str | None) -> Collection[str]:
    from usersyncd.nearest import nearest

    if target is None:
        return list(config.targets)
    if target not in config.targets:
        raise ConfigError(
            f"there is no target “{target}” in {config.file}{nearest(target, config.targets)}",
            "name a target that is under `targets:`; without a name, all are shown",
        )
    return [target]


# ---- for a program


def _write_csv(held: Mapping[str, Collection[Account]]) -> None:
    import csv

    out = csv.writer(sys.stdout)
    out.writerow(HEADER)
    for target, some in held.items():
        for account in some:
            shown = clean_json(bytes(account.attributes).decode())
            start = (target, account.kind, account.target_id, account.key, _word(account.protected), shown)
            for one in account.candidates or [None]:  # type: ignore[list-item]
                out.writerow([clean(cell) if isinstance(cell, str) else cell for cell in (*start, *_cells(one))])


def _cells(one: AdoptionCandidate | None) -> Iterator[object]:
    if one is None:
        yield from [""] * 7
    else:
        yield from (one.directory, one.id, one.name, one.why, _word(one.linked), one.first, one.adopt)


def _word(flag: bool) -> str:
    return "true" if flag else "false"


# ---- for a person


def _show(target: str, some: Collection[Account]) -> None:
    from rich.text import Text

    from usersyncd.cli import text
    from usersyncd.words import many

    what = f"{many(len(some), 'object') if some else 'no objects'} without a link"
    text.show(Text.assemble(("target " + target, "bold"), f": {what}"))
    if some:
        text.show(_table(some), indent=2)
    text.show(text.BLANK)


def _table(some: Collection[Account]) -> Table:
    from rich.table import Table

    table = Table(box=None, padding=(0, 2, 0, 0), pad_edge=False, header_style="dim")
    for name in ("kind", "target id", "key", "shows", "might belong to"):
        table.add_column(name, overflow="fold")
    for account in some:
        table.add_row(account.kind.value, *_row(account))
    return table


def _row(account: Account) -> Iterator[Text]:
    from rich.text import Text

    yield Text(clean(account.target_id))
    yield Text("–" if account.key is None else clean(str(account.key)))
    yield Text(_shown(account) + (", protected" if account.protected else ""))
    yield Text("\n".join(map(_whose, account.candidates)) or "nobody", style="" if account.candidates else "dim")


def _shown(account: Account) -> str:
    import msgspec

    from usersyncd.cli.text import value

    attributes = msgspec.json.decode(account.attributes)
    parts = [f"{name} {value(one).plain}" for name, one in attributes.items() if one != account.key]
    text = clean(", ".join(parts))
    return text if len(text) <= WIDEST else f"{text[: WIDEST - 1]}…"


def _whose(one: AdoptionCandidate) -> str:
    whose = clean(f"{one.name} ({one.directory} {one.id}), {one.why}")
    if one.linked:
        return f"{whose}: has another account\n  → if this one is a duplicate, deactivate it in the application"
    if one.adopt is None:
        return whose
    return f"{whose}\n  → {f'{clean(one.first)}, then ' if one.first else ''}{one.adopt}"
