"""``usersyncd check``: checks the configuration file and, with ``--online``, every directory and target."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from usersyncd.cli.common import ConfigOption, JsonOption, config_file, print_json, say
from usersyncd.errors import ConfigError, UsersyncError

if TYPE_CHECKING:
    from usersyncd.cli.online import CheckResults
    from usersyncd.cli.unopened import UnopenedSecret
    from usersyncd.config import Config
    from usersyncd.deliver.leaving_directories import Leaving
    from usersyncd.job import PullJob


def check(
    context: typer.Context,
    config: ConfigOption = None,
    online: Annotated[
        bool,
        typer.Option("--online", help="Also connect to every directory and target, and show what would be read."),
    ] = False,
    json: JsonOption = False,
) -> None:
    """Check the configuration file, and show which directories leave a target. Changes nothing."""
    from usersyncd.cli.unopened import unopened_secrets
    from usersyncd.cli.web_faults import verify_web_files
    from usersyncd.config import load
    from usersyncd.job import jobs

    file: Path | None = None
    try:
        file = config_file(context, config)
        loaded = load(file)
        found = jobs(loaded)
        unopened = unopened_secrets(loaded)
        verify_web_files(loaded, unopened)
    except ConfigError as error:
        if not json:
            raise
        print_json({"ok": False, "errors": _faults(error, file)})
        raise typer.Exit(error.exit_code) from None
    leaving, unknown = _leaving(loaded)
    if not json:
        _show(loaded, leaving, unknown, unopened)
    trials = _try(loaded, found, json=json) if online else None
    if json:
        more = trials.as_json() if trials else {}
        shown = {"errors": [], "leaving": None if unknown else leaving, "unopened_secrets": unopened}
        print_json({"ok": trials is None or trials.ok, **shown, **more})
    if trials and not trials.ok:
        raise typer.Exit(1)


def _try(config: Config, jobs: Mapping[str, PullJob], *, json: bool) -> CheckResults:
    import asyncio

    from usersyncd import logs
    from usersyncd.cli.online import check_all, show

    logs.configure("warning")
    return asyncio.run(check_all(config, jobs, show=(lambda _: None) if json else show))


def _leaving(config: Config) -> tuple[list[Leaving], UsersyncError | None]:
    """What targets still hold of directories that they do not list.

    Returns an error as well if the state database cannot be read: the configuration may still be valid.
    """
    from usersyncd.cli.saved_state import saved_state
    from usersyncd.deliver.leaving_directories import all_leaving

    try:
        with saved_state(config) as database:
            if database is None:
                return [], None
            with database.read() as connection:
                return [one for one in all_leaving(connection, config) if one.is_held], None
    except UsersyncError as error:
        return [], error


def _show(
    config: Config, leaving: list[Leaving], unknown: UsersyncError | None, unopened: Sequence[UnopenedSecret]
) -> None:
    from usersyncd.cli import text
    from usersyncd.cli.leaving import describe_leaving
    from usersyncd.cli.unopened import show_unopened
    from usersyncd.cli.web_faults import is_of_service

    directories, targets = ", ".join(config.directories), ", ".join(config.targets) or "none yet"
    say(f"{config.file} is valid. Directories: {directories}. Targets: {targets}.")
    for one in leaving:
        text.show(*describe_leaving(one, config.directories))
    if unknown is not None:
        say(f"It is unknown whether a directory leaves a target: {unknown}")
    show_unopened(unopened)
    if is_of_service(config):
        say("web.tls was not tried: $CREDENTIALS_DIRECTORY is not set, which systemd sets for the service.")


def _faults(error: ConfigError, file: Path | None) -> list[dict[str, Any]]:
    """The ``errors`` of the JSON document. An error without a place gets the beginning of the file."""
    if not error.faults:
        return [{"file": str(file or ""), "line": 1, "column": 1, "path": "", "message": str(error)}]
    return [
        {"file": fault.file, "line": fault.line, "column": fault.column, "path": fault.path, "message": fault.message}
        for fault in error.faults
    ]
