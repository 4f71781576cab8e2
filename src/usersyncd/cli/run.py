"""``usersyncd run``: the daemon, in the foreground."""

from __future__ import annotations

import sys
from contextlib import ExitStack

import typer

from usersyncd.cli.common import ConfigOption, config_file
from usersyncd.cli.streams import Stream
from usersyncd.errors import UsersyncError


def run(context: typer.Context, config: ConfigOption = None) -> None:
    """Read every directory at its interval and deliver the changes, until Ctrl-C or SIGTERM.

    SIGHUP reloads the configuration.
    """
    import asyncio

    import structlog

    from usersyncd import logs, memory
    from usersyncd.daemon import Daemon, load_jobs, log_error
    from usersyncd.opening import open_state

    logs.configure()
    terminal = sys.stderr.isatty()
    with ExitStack() as stack:
        if isinstance(sys.stderr, Stream):
            stack.callback(sys.stderr.forget_fault)  # A full disk, or a terminal that was closed, stopped no run.
        try:
            loaded = load_jobs(config_file(context, config))
            database = open_state(loaded.config)
            stack.callback(database.close)
            memory.tune()
            if terminal:
                from usersyncd.cli.screen import Screen

                screen = Screen(database)
                daemon = Daemon(loaded, database, screen.show)
                screen.welcome(loaded)
                stack.enter_context(screen.watch(daemon))
            else:
                daemon = Daemon(loaded, database)
                structlog.get_logger().info(
                    "started",
                    event_name="daemon.started",
                    configuration=str(loaded.config.file),
                    directories=list(loaded.pulls),
                )
        except UsersyncError as error:
            if terminal:
                raise
            log_error(error, "usersyncd cannot start", event_name="daemon.not_started")
            raise typer.Exit(error.exit_code) from None
        asyncio.run(daemon.run())
