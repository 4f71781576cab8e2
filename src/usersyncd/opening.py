"""Opens the state database that a configuration names; every command and the daemon do this first."""

from __future__ import annotations

from pathlib import Path

import structlog

from usersyncd.config import Config
from usersyncd.secrets import open_secret
from usersyncd.state.database import Database, open_database


def open_state(config: Config) -> Database:
    """Open the state database and migrate it to the newest version; the caller closes it.

    Raises ConfigError when its password cannot be opened or its kind is not supported; StateError when it cannot be
    opened, or a newer usersyncd has written it.
    """
    state = config.state
    if state.password is None:
        return open_database(state.url)
    password = open_secret(state.password, folder=config.folder, owner="state", log=structlog.get_logger())
    return open_database(state.url, password)


def open_existing(config: Config) -> Database | None:
    """Like open_state; None where nothing has ever run: a command that only reads must not create the file, which it
    would own."""
    kind, _, file = config.state.url.partition(":///")
    return None if kind == "sqlite" and not Path(file.partition("?")[0]).exists() else open_state(config)
