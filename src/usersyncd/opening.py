"""Opens the state database of a configuration. The daemon and most commands do this first."""

from __future__ import annotations

from pathlib import Path

import structlog

from usersyncd.config import Config
from usersyncd.secrets import open_secret
from usersyncd.state.database import Database, open_database


def open_state(config: Config) -> Database:
    """Open the state database and migrate it to the newest version. The caller closes it.

    Raises ConfigError if the password cannot be read or the kind of database is not supported, and StateError if the
    database cannot be opened or was written by a newer usersyncd.
    """
    state = config.state
    if state.password is None:
        return open_database(state.url)
    password = open_secret(state.password, folder=config.folder, owner="state", log=structlog.get_logger())
    return open_database(state.url, password)


def open_existing(config: Config) -> Database | None:
    """Open the state database if it exists; None if nothing has run yet. A command that only reads must not create the
    file: it would belong to the user of that command."""
    kind, _, file = config.state.url.partition(":///")
    return None if kind == "sqlite" and not Path(file.partition("?")[0]).exists() else open_state(config)
