"""``usersyncd status``: the present state of each directory."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Annotated, Any

import typer

from usersyncd.cli.common import ConfigOption, JsonOption, load_config, print_json

if TYPE_CHECKING:
    from rich.console import RenderableType
    from rich.text import Text

    from usersyncd.cli.standing import DirectoryStatus, ExpectedPush
    from usersyncd.config import Config, DirectoryConfig
    from usersyncd.deliver.leaving_directories import Leaving
    from usersyncd.plugin import Receiving
    from usersyncd.state.database import Database
    from usersyncd.state.quarantine import Quarantine


def status(
    context: typer.Context,
    config: ConfigOption = None,
    exit_code: Annotated[
        bool,
        typer.Option(
            "--exit-code",
            help="For monitoring: exit with 1 if a run or a record failed, if no run began for two intervals, if the "
            "web service does not answer, if an endpoint is stopped, or if a secret of the web service cannot be "
            "opened; with 3 if a plan is held.",
        ),
    ] = False,
    json: JsonOption = False,
) -> None:
    """Show each directory's last and next run, size and errors, and each target's guard and next change by a date.

    Changes nothing.
    """
    from usersyncd.cli.guards import guard_document
    from usersyncd.cli.saved_state import saved_state
    from usersyncd.cli.standing import decisions
    from usersyncd.cli.troubled_endpoints import FailingEndpoint, StoppedEndpoint, show_troubled, troubled_endpoints
    from usersyncd.cli.unopened import show_unopened, unopened_secrets
    from usersyncd.cli.web_answers import show_silent, silent_web_service
    from usersyncd.deliver.leaving_directories import all_leaving, removed_directories
    from usersyncd.deliver.next_due import next_due
    from usersyncd.state import quarantine
    from usersyncd.state.token_uses import last_uses

    loaded = load_config(context, config)
    directories = list(loaded.directories.values())
    leaving: list[Leaving] = []
    decided: dict[str, list[dict[str, Any]]] = {}
    due: dict[str, datetime] = {}
    troubled: list[StoppedEndpoint | FailingEndpoint] = []
    quarantined: dict[str, Quarantine] = {}
    used: dict[str, dict[str, datetime]] = {}
    with saved_state(loaded) as database:
        if database is not None:
            due = next_due(database, loaded)
            decided = decisions(database)
            troubled = list(troubled_endpoints(database, loaded))
            with database.read() as connection:
                known = quarantine.by_name(connection)
                quarantined = {name: known[name] for name in loaded.targets if name in known}
                leaving = [one for one in all_leaving(connection, loaded) if one.is_held]
                used = {name: last_uses(connection, name) for name in loaded.directories}
                directories += removed_directories(connection, loaded)
        found = [_directory_status(database, directory, loaded.targets) for directory in directories]
    stopped = [one for one in troubled if isinstance(one, StoppedEndpoint)]
    now = datetime.now(UTC)
    silent = silent_web_service(loaded)
    # Whether the daemon could open the tokens of a directory is in its last run.
    said = [one.message for one in found]
    unopened = [
        one
        for one in unopened_secrets(loaded)
        if one.message not in said and (one.certain or not one.path.startswith("directories."))
    ]
    for one in found:
        configured = loaded.directories.get(one.directory)
        if configured is not None and (pushes := _receiving(configured)) is not None:
            one.next_run = None
            one.tokens = {name: at for name, at in used.get(one.directory, {}).items() if name in _names(pushes)}
        else:
            one.late = _is_late(one, configured, now)
        one.decisions = decided.get(one.directory, [])
        one.leaving = [each for each in leaving if each.directory == one.directory]
    if json:
        print_json(
            {
                "format": 1,
                "directories": found,
                "targets": [
                    guard_document(one, due.get(one.name), quarantined.get(one.name)) for one in loaded.targets.values()
                ],
                "stopped_endpoints": stopped,
                "failing_endpoints": [one for one in troubled if isinstance(one, FailingEndpoint)],
                "unopened_secrets": unopened,
                "silent_web_service": silent,
            }
        )
    else:
        _show(found, loaded, due, quarantined)
        show_troubled(troubled)
        show_unopened(unopened)
        if silent is not None:
            show_silent(silent)
    urgent = silent is not None or bool(stopped) or any(one.certain for one in unopened)
    if exit_code and (code := 1 if urgent else _code(found)):
        raise typer.Exit(code)


def _code(found: list[DirectoryStatus]) -> int:
    """1 if a directory needs attention now, 3 if a plan waits for a decision."""
    if any(one.error or one.failures or one.late for one in found):
        return 1
    return 3 if any(one.held for one in found) else 0


def _receiving(directory: DirectoryConfig) -> Receiving | None:
    """How a directory sends its changes by itself: no run of it is due, and none is late. None: it is pulled."""
    from usersyncd import registry
    from usersyncd.job import receiving

    return receiving(directory, registry.source(directory.connector))


def _names(pushes: Receiving) -> set[str]:
    """The names of the tokens that open a directory. Others were removed from the configuration, and open nothing."""
    return {token.name for token in pushes.tokens} | ({pushes.client.client_id} if pushes.client else set())


def _is_late(one: DirectoryStatus, directory: DirectoryConfig | None, now: datetime) -> bool:
    """Whether no run began for two intervals, or never. The clock may have been wrong in either direction.

    A removed directory is never late.
    """
    if directory is None:
        return False
    return one.last_run is None or abs(now - datetime.fromisoformat(one.last_run)) > 2 * directory.every


def _directory_status(
    database: Database | None, directory: DirectoryConfig, targets: Collection[str]
) -> DirectoryStatus:
    from usersyncd.cli.standing import DirectoryStatus, fill_in

    found = DirectoryStatus(directory.name, directory.connector)
    if database is None:
        return found

    fill_in(found, database, directory, targets)
    return found


# ---- for a person


def _show(
    directories: list[DirectoryStatus],
    config: Config,
    due: Mapping[str, datetime],
    quarantined: Mapping[str, Quarantine],
) -> None:
    from rich.table import Table
    from rich.text import Text

    from usersyncd.cli import text
    from usersyncd.cli.guards import guard_line, quarantine_line
    from usersyncd.cli.leaving import describe_leaving
    from usersyncd.cli.next_due import next_due_line
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
            Text(_status(one), style=STYLES.get(one.status or "", "yellow")),
            _ago(one.last_run, now),
            _ago(one.last_success, now),
            _due(one, now),
            f"{one.users:,}",
            f"{one.groups:,}",
            f"{one.memberships:,}",
        )
    text.show(table)
    for one in directories:
        for each in one.leaving:
            text.show(text.BLANK, *describe_leaving(each, config.directories))
        for token, at in one.tokens.items():
            text.show(text.clean(f"{one.directory}: token {token} was last used {_ago(at.isoformat(), now)}"))
        if one.full_push is not None:
            text.show(*_full_push(one.directory, one.full_push))
        if reasons := list(_reasons(one)):
            text.show(text.BLANK, Text(f"{one.directory}:", style="bold"))
            text.show(*reasons, indent=2)
    if quarantined:
        text.show(text.BLANK, *(quarantine_line(name, one) for name, one in quarantined.items()))
    text.show(text.BLANK, *(guard_line(target) for target in config.targets.values()))
    text.show(*(next_due_line(target, when) for target, when in due.items()))


def _reasons(one: DirectoryStatus) -> Iterator[RenderableType]:
    """Why the last finished run did not succeed, and what people decided."""
    from rich.text import Text

    from usersyncd.cli import text
    from usersyncd.words import many

    if one.late and one.last_run is not None:
        yield Text("no run began for two intervals")
        yield text.hanging("  → ", "is the daemon running? `systemctl status usersyncd`")
    if one.error:
        yield text.error(one.error)
    if one.held:
        yield Text("the guard holds a plan:")
        for limit in one.guard:
            yield Text(f"  {limit['target']}: {limit['limit']} {limit['found']}, allowed {limit['allowed']}")
        decided = {made["hash"] for made in one.decisions}
        commands = [harm["command"] for harm in one.harms if harm["command"] and harm["harm"] not in decided]
        hint = "; if it is expected, approve it:" if commands else ""
        yield text.hanging("  → ", f"see `usersyncd plan {one.directory}`{hint}")
        yield from (Text(f"    {command}") for command in commands)
    for made in one.decisions:
        yield from _decided(made)
    if one.failures:
        first = one.failed[0]
        which = ", the first" if one.failures > 1 else ""
        yield Text(f"{many(one.failures, 'record')} failed, and will be tried again{which}:")
        yield text.hanging("  ", text.clean(f"{first['target']}: {first['kind']} {first['id']}: {first['message']}"))
        if first["remedy"]:
            yield text.hanging("    → ", text.clean(first["remedy"]))
        if one.failures > 1:
            yield text.hanging("  → ", f"see all of them with `usersyncd show {one.run}`")


def _full_push(directory: str, push: ExpectedPush) -> Iterator[RenderableType]:
    """Since when a directory is expected to send everything again, and how much of it is missing."""
    from rich.text import Text

    from usersyncd.cli import text
    from usersyncd.words import many

    since = f"since {text.local(push.since.isoformat())}, by {push.by}"
    missing = f"{many(push.unseen, 'resource')} not sent yet" if push.unseen else "everything was sent"
    yield Text(text.clean(f"{directory}: a full push is expected {since}: {missing}"), style="yellow")
    yield text.hanging("  → ", f"`usersyncd expect {directory}` shows what was not sent; --end deletes it")


def _decided(made: dict[str, Any]) -> Iterator[RenderableType]:
    """A decision of a person, and the changes that it covers."""
    from rich.text import Text

    from usersyncd.cli import text
    from usersyncd.words import many

    why = f" ({made['reason']})" if made["reason"] else ""
    begins = f"{made['target']}: {many(made['count'], 'change')} {made['decision']} by {made['by']}"
    until = f", until {text.local(made['until'])}" if made["until"] else f" on {text.local(made['at'])}"
    yield Text(text.clean(f"{begins}{until}{why}:"), style="yellow")
    for change in made["changes"]:
        yield text.hanging("  ", text.clean(str(change)))
    if (more := made["count"] - len(made["changes"])) > 0:
        yield Text(f"  … and {more:,} more", style="dim")


def _status(one: DirectoryStatus) -> str:
    """The status in words: the times beside it are those of the pull, also if a delivery failed."""
    if one.status is None:
        return "never run"
    return f"{one.failed_part} failed" if one.failed_part else one.status


def _ago(time: str | None, now: datetime) -> str:
    from usersyncd.cli.text import age

    if time is None:
        return "–"
    past = now - datetime.fromisoformat(time)
    # A wrong clock may have dated a run in the future.
    return f"{age(past)} ahead" if past < timedelta(0) and age(past) != "0 s" else f"{age(past)} ago"


def _due(one: DirectoryStatus, now: datetime) -> Text:
    """When the next run is due. It is late if the daemon should have begun it a minute ago."""
    from rich.text import Text

    from usersyncd.cli.text import age

    if one.next_run is None or one.status == "running":
        return Text("–")
    left = datetime.fromisoformat(one.next_run) - now
    if left < -timedelta(minutes=1):
        return Text(f"{age(left)} late", style="bold red")
    return Text(f"in {age(left)}" if left > timedelta(0) else "now")
