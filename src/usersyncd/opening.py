"""Opening the state database that a configuration names: what every command and the daemon do first."""

from __future__ import annotations

from pathlib import Path

import structlog

from usersyncd.config import Config
from usersyncd.secrets import open_secret
from usersyncd.state.database import Database, open_database


def open_state(config: Config) -> Database:
    """The state database, brought to the newest version; whoever opens it closes it.

    Raises ConfigError: its password cannot be opened, or it is of no kind that can be used. StateError: it cannot be
    opened, or a newer usersyncd has written it.
    """
    state = config.state
    if state.password is None:
        return open_database(state.url)
    password = open_secret(state.password, folder=config.folder, owner="state", log=structlog.get_logger())
    return open_database(state.url, password)


def open_existing(config: Config) -> Database | None:
    """As open_state; None where nothing has ever run: whoever only looks makes no file that would then be theirs."""
    kind, _, file = config.state.url.partition(":///")
    return None if kind == "sqlite" and not Path(file.partition("?")[0]).exists() else open_state(config)
