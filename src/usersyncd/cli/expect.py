"""``usersyncd expect``: a directory that pushes is expected to send everything again."""

from __future__ import annotations

import sys
from itertools import chain, islice
from typing import TYPE_CHECKING, Annotated

import typer
from msgspec import Struct

from usersyncd.cleaning import clean
from usersyncd.cli.common import AllOption, ConfigOption, JsonOption, StreamedList, load_config, print_json, say
from usersyncd.cli.real_user import real_user
from usersyncd.errors import ConfigError, UsersyncError

if TYPE_CHECKING:
    from usersyncd.config import Config
    from usersyncd.core.report import PullRun
    from usersyncd.job import PullJob
    from usersyncd.plugin import Kind
    from usersyncd.state.database import Database
    from usersyncd.state.full_pushes import FullPush

SHOWN = 20
"""How many resources that were not sent are listed, without ``--all``."""


class Expected(Struct, frozen=True):
    """What is known of a full push. ``unseen``: how many resources were not sent since."""

    directory: str
    number: int
    push: FullPush | None
    seen: dict[Kind, int]
    unseen: int


def expect(
    context: typer.Context,
    directory: Annotated[str, typer.Argument(metavar="DIRECTORY", help="A directory that pushes.")],
    config: ConfigOption = None,
    full_push: Annotated[
        bool, typer.Option("--full-push", help="From now on, note which users and groups the provider sends or reads.")
    ] = False,
    end: Annotated[
        bool, typer.Option("--end", help="Delete what was not sent from the snapshot. The guard judges the delivery.")
    ] = False,
    cancel: Annotated[bool, typer.Option("--cancel", help="Expect nothing any more, and delete nothing.")] = False,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
    everything: AllOption = False,
    json: JsonOption = False,
) -> None:
    """Expect a directory that pushes to send everything again, and find out what it did not send.

    Without an option, show since when a full push is expected, how much was sent, and what was not. As long as it is
    expected, `adopt: first` of a target applies to the directory.
    """
    from usersyncd.opening import open_state

    if full_push + end + cancel > 1:
        raise ConfigError("--full-push, --end and --cancel exclude each other", "choose one of them")
    loaded = load_config(context, config)
    job = _pushing(loaded, directory)
    database = open_state(loaded)
    try:
        removed: int | None = None
        if full_push:
            _begin(database, directory)
        expected = _expected(database, directory)
        if (end or cancel) and expected.push is None:
            raise UsersyncError(
                f"no full push of {directory} is expected", f"`usersyncd expect {directory} --full-push` expects one"
            )
        if not json:
            _show(database, expected, everything=everything)
        if cancel:
            from usersyncd.state import full_pushes

            full_pushes.drop(database, expected.number)
        if end:
            removed = _end(database, job, expected, yes=yes, json=json)
        if json:
            _print(database, expected if removed is None and not cancel else _expected(database, directory), removed)
        elif cancel or end:
            say(_ended(directory, removed))
    finally:
        database.close()


def _pushing(config: Config, directory: str) -> PullJob:
    """The job of a directory that pushes. Raises ConfigError."""
    from usersyncd.job import jobs
    from usersyncd.nearest import nearest

    if directory not in config.directories:
        raise ConfigError(
            f"there is no directory “{directory}” in {config.file}{nearest(directory, config.directories)}",
            "name a directory that is under `directories:`",
        )
    job = jobs(config)[directory]
    if job.receiving is None:
        raise ConfigError(
            f"{directory} does not push: usersyncd pulls it",
            f"`usersyncd sync {directory} --complete` reads everything again",
        )
    return job


def _begin(database: Database, directory: str) -> None:
    from usersyncd.recording import now
    from usersyncd.state import full_pushes
    from usersyncd.state.directories import open_directory

    full_pushes.expect(database, open_directory(database, directory).id, full_pushes.FullPush(now(), real_user()))


def _expected(database: Database, directory: str) -> Expected:
    from usersyncd.state import full_pushes
    from usersyncd.state.directories import open_directory

    number = open_directory(database, directory).id
    with database.read() as connection:
        push = full_pushes.expected(connection, number)
        seen = full_pushes.seen_counts(connection, number)
        unseen = 0 if push is None else full_pushes.unseen_count(connection, number)
    return Expected(directory, number, push, seen, unseen)


def _end(database: Database, job: PullJob, expected: Expected, *, yes: bool, json: bool) -> int:
    """Delete what was not sent. Returns how many resources that were."""
    import asyncio

    from usersyncd import logs
    from usersyncd.push.full_push import end_full_push

    if expected.unseen and not yes:
        if json or not sys.stdin.isatty():
            raise ConfigError(
                f"`usersyncd expect {expected.directory} --end` asks before it deletes, and there is no terminal to "
                "answer",
                "add --yes",
            )
        typer.confirm(f"Delete {_many(expected.unseen)} of {expected.directory}?", abort=True, err=True)
    logs.configure("warning")
    report = asyncio.run(end_full_push(database, job, real_user()))
    return _removed(report)


def _removed(report: PullRun) -> int:
    if report.error is not None or report.pull is None:
        raise UsersyncError(f"the full push was not ended: {report.error}", "correct that, and end it again")
    return report.pull.changed or 0


# ---- for a program


def _print(database: Database, expected: Expected, removed: int | None) -> None:
    import msgspec

    from usersyncd.plugin import Kind
    from usersyncd.state import full_pushes

    pages = full_pushes.unseen(database, expected.number) if expected.push is not None else ()
    listed = (msgspec.json.encode(one) for page in pages for one in page)
    document = {
        "format": 1,
        "directory": expected.directory,
        "full_push": expected.push,
        "seen": {"users": expected.seen[Kind.USER], "groups": expected.seen[Kind.GROUP]},
        "unseen": StreamedList(listed),
    }
    print_json(document if removed is None else {**document, "removed": removed})


# ---- for a person


def _show(database: Database, expected: Expected, *, everything: bool) -> None:
    from usersyncd.cli.text import local
    from usersyncd.plugin import Kind
    from usersyncd.state import full_pushes
    from usersyncd.words import many

    name, push = expected.directory, expected.push
    if push is None:
        say(f"No full push of {name} is expected.")
        return
    users, groups = (many(expected.seen[kind], kind.value) for kind in (Kind.USER, Kind.GROUP))
    since = local(push.since.isoformat())
    say(f"A full push of {name} is expected since {since}, by {push.by}. Sent since: {users}, {groups}.")
    if not expected.unseen:
        say("Everything that usersyncd knows was sent.")
        return
    say(f"{_many(expected.unseen)} not sent:")
    unseen = chain.from_iterable(full_pushes.unseen(database, expected.number))
    for one in unseen if everything else islice(unseen, SHOWN):
        say(clean(f"  {one.kind} {one.name or '–'} ({one.id})"))
    if not everything and expected.unseen > SHOWN:
        say(f"  … and {expected.unseen - SHOWN:,} more (--all lists them)")


def _many(number: int) -> str:
    return f"{number:,} resource{'' if number == 1 else 's'}"


def _ended(directory: str, removed: int | None) -> str:
    if removed is None:
        return f"No full push of {directory} is expected any more. Nothing was deleted."
    if not removed:
        return f"The full push of {directory} has ended. There was nothing to delete."
    return (
        f"The full push of {directory} has ended. {_many(removed)} deleted from the snapshot.\n"
        f"  → `usersyncd plan {directory}` shows what leaves the targets; a daemon delivers it within seconds, under "
        f"the guard; without one, `usersyncd sync {directory}` does"
    )
