"""``usersyncd who``: finds a person, and explains for each target why the person is in it, or why not."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Annotated

import typer

from usersyncd.cli.common import ConfigOption, JsonOption, load_config, print_json
from usersyncd.errors import ConfigError, UsersyncError

if TYPE_CHECKING:
    from rich.console import RenderableType

    from usersyncd.cli.person import InTarget, PersonReport
    from usersyncd.cli.reasons import Reason
    from usersyncd.config import Config
    from usersyncd.state.database import Database
    from usersyncd.state.search import FormerPerson, FoundPerson

    Matches = Sequence[FoundPerson | FormerPerson]

MOST = 20
"""How many matches are listed."""


def who(
    context: typer.Context,
    words: Annotated[
        list[str],
        typer.Argument(metavar="WORD…", help="An id, a key, or words in the person's attributes."),
    ],
    directory: Annotated[
        str | None, typer.Option("--directory", metavar="DIR", help="Search this directory only.", show_default=False)
    ] = None,
    config: ConfigOption = None,
    json: JsonOption = False,
) -> None:
    """Find a person, and show for each target whether the person is in it, since when, and why or why not.

    Reads only the state database, and connects to no directory or target.
    """
    from usersyncd.cli.saved_state import saved_state
    from usersyncd.state.search import find_former, find_people

    loaded = load_config(context, config)
    text = " ".join(words).strip()
    with saved_state(loaded) as database:
        _check(database, loaded, directory)
        found: Matches = []
        report = None
        if database is not None:
            with database.read() as connection:
                found = find_people(connection, text, directory, MOST + 1)
                found = found or find_former(connection, text, directory, MOST + 1)
            report = _report(database, loaded, found[0]) if len(found) == 1 else None
        names = _names(database, loaded, found[:MOST])
        notes = _notes(database, loaded, directory)
    if json:
        print_json({
            "format": 1,
            "matches": [
                {"directory": one.directory_name, "id": one.id, "name": name, "left_at": _left_at(one)}
                for one, name in zip(found, names, strict=False)
            ],
            "more": len(found) > MOST,
            "person": report,
            "notes": notes if report is None else [],
        })  # fmt: skip
    elif report is not None:
        _show(report)
    elif found:
        _show_matches(found, names)
    else:
        raise _nobody(text, notes)
    if report is None:
        raise typer.Exit(1)


def _report(database: Database, config: Config, found: FoundPerson | FormerPerson) -> PersonReport:
    from usersyncd.cli.person import former_report, person_report
    from usersyncd.job import jobs
    from usersyncd.state.search import FormerPerson

    if isinstance(found, FormerPerson):
        return former_report(database, config, found)
    return person_report(database, config, jobs(config).get(found.directory_name), found)


def _left_at(one: FoundPerson | FormerPerson) -> str | None:
    from usersyncd.state.search import FormerPerson

    return None if isinstance(one, FormerPerson) else one.gone_at


def _check(database: Database | None, config: Config, directory: str | None) -> None:
    from usersyncd.nearest import nearest
    from usersyncd.state.directories import numbers

    if directory is None or directory in config.directories:
        return
    if database is not None:
        with database.read() as connection:
            if directory in numbers(connection):
                return
    raise ConfigError(
        f"there is no directory “{directory}” in {config.file}{nearest(directory, config.directories)}",
        "name a directory that is under `directories:`; without --directory, all are searched",
    )


def _names(database: Database | None, config: Config, found: Matches) -> list[str]:
    from usersyncd.cli.names import names_of
    from usersyncd.plugin import Kind

    if database is None:
        return []
    names = {one.directory_name: names_of(database, config, one.directory_name) for one in found}
    for name, known in names.items():
        known.load(Kind.USER, [one.id for one in found if one.directory_name == name])
    return [names[one.directory_name].short(Kind.USER, one.id) for one in found]


def _notes(database: Database | None, config: Config, directory: str | None) -> list[Reason]:
    """Why a person may be missing from the snapshot: faults of the last pulls."""
    from usersyncd.cli.person import pull_notes
    from usersyncd.cli.reasons import Reason

    chosen = [name for name in config.directories if directory in (None, name)]
    if database is None:
        return [Reason("not_pulled", f"{name} was never read", command=f"usersyncd sync {name}") for name in chosen]
    with database.read() as connection:
        return [note for name in chosen for note in pull_notes(connection, name)]


def _nobody(text: str, notes: list[Reason]) -> UsersyncError:
    wrong = "".join(f"\n{note.message}" for note in notes)
    return UsersyncError(
        f"no person in the snapshot matches “{text}”{wrong}",
        "try another part of the name or the address. `usersyncd status` says when each directory was read. A person "
        "that the directory hides from its connector cannot be found",
    )


# ---- for a person


def _show_matches(found: Matches, names: list[str]) -> None:
    from rich.text import Text

    from usersyncd.cli import text
    from usersyncd.cli.common import say

    several = f"more than {MOST}" if len(found) > MOST else str(len(found))
    say(f"{several} people match:")
    table = text.grid(3, gap=2)
    for one, name in zip(found, names, strict=False):
        gone_at = _left_at(one)
        left = f", left {text.local(gone_at)}" if gone_at else ""
        table.add_row(Text(name), Text(text.clean(one.id)), Text(f"{one.directory_name}{left}"))
    text.show(table, indent=2)
    say("  → give the id, more words, or --directory DIR")


def _show(report: PersonReport) -> None:
    from rich.text import Text

    from usersyncd.cli import text

    text.show(
        Text.assemble((text.clean(f"{report.name} ({report.id})"), "bold"), f" in the directory {report.directory}"),
        *(text.hanging("  ", line) for line in _record(report)),
    )
    for note in report.notes:
        text.show(*_reason(note), indent=2)
    for one in report.targets:
        text.show(text.BLANK, Text.assemble((one.target, "bold"), f": {_standing(one)}"))
        for line in _object(one):
            text.show(text.hanging("", line), indent=2)
        for reason in one.reasons:
            text.show(*_reason(reason), indent=2)
    if not report.targets:
        text.show(text.BLANK, Text(f"No target lists the directory {report.directory}."))


def _record(report: PersonReport) -> Iterator[str]:
    from usersyncd.cli import text

    if report.left_at is not None:
        yield f"left the directory on {text.local(report.left_at)}"
    elif not report.known:
        yield "the snapshot no longer contains the user"
    elif report.read_at is not None:
        yield f"last pull: {text.local(report.read_at)}"
    if report.groups:
        more = report.group_count - len(report.groups)
        yield text.clean(f"groups: {', '.join(report.groups)}" + (f", and {more:,} more" if more else ""))


_STANDINGS = {
    "active": "in it",
    "inactive": "in it, and not active",
    "deactivated": "kept without access",
    "absent": "not in it",
}
_PAST = {
    "create": "created", "adopt": "adopted", "reactivate": "reactivated", "deactivate": "deactivated",
    "delete": "deleted",
}  # fmt: skip


def _standing(one: InTarget) -> str:
    from usersyncd.cli import text

    standing = _STANDINGS[one.state]
    if one.since is not None and one.change is not None:
        return f"{standing}, {_PAST[one.change]} {text.local(one.since)} by run {one.run}"
    return standing if one.state == "absent" else f"{standing}, since before the history begins"


def _object(one: InTarget) -> Iterator[str]:
    from usersyncd.cli import text

    if one.key is not None:
        account = f", target id {one.target_id}" if one.target_id is not None else ""
        yield text.clean(f"key {one.key}{account}")
    if one.delete_at is not None:
        yield f"will be deleted on {text.local(one.delete_at)}"
    if one.until is not None:
        yield f"the rules may give another result on {text.local(one.until)}"


def _reason(reason: Reason) -> Iterator[RenderableType]:
    import msgspec

    from usersyncd.cli import text

    place = f"{reason.place}: " if reason.place else ""
    yield text.hanging("", text.clean(f"{place}{reason.message}"), style="yellow")
    if reason.rule is not None:
        yield text.hanging("    ", text.clean(reason.rule))
    for read in reason.reads:
        if read["name"] != reason.rule:
            source = f" (from {read['source']})" if read["source"] else ""
            value = msgspec.json.encode(read["value"]).decode()
            yield text.hanging("    ", text.clean(f"{read['name']} is {value}{source}"))
    if reason.remedy is not None:
        yield text.hanging("  → ", text.clean(reason.remedy))
    if reason.command is not None:
        yield text.hanging("  → ", f"`{reason.command}`")
    if reason.run is not None:
        yield text.hanging("  → ", f"`usersyncd show {reason.run}`")
