"""Fixtures for all tests."""

from __future__ import annotations

import logging
import os
import signal
from collections.abc import Iterator

import pytest
import structlog
from hypothesis import settings

from tests.servers.shared import (
    ds389_tree,
    mariadb,
    migrated,
    polis_server,
    postgres,
    postgres_server,
    samba_tree,
    scim,
    scim_server,
    scimmy_server,
)

__all__ = [
    "ds389_tree", "mariadb", "migrated", "polis_server", "postgres", "postgres_server", "samba_tree",
    "scim", "scim_server", "scimmy_server",
]  # fmt: skip

# A change is judged by the same examples each time; new ones are tried everywhere else, and by `make test-slow`.
settings.register_profile("ci", derandomize=True)
if os.environ.get("CI"):
    settings.load_profile("ci")

# A shell lets what it starts in the background ignore Ctrl-C; the programs that tests start would inherit that.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(autouse=True)
def own_logging() -> Iterator[None]:
    """Restore the logging that a command has configured for its process."""
    root = logging.getLogger()
    handlers, level = list(root.handlers), root.level
    yield
    structlog.reset_defaults()
    root.handlers, root.level = handlers, level
