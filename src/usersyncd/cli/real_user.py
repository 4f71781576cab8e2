"""Tells who runs a command, for the record of a decision."""

from __future__ import annotations

import os
import pwd
from pathlib import Path

from usersyncd.cleaning import clean

LOGIN_UID = Path("/proc/self/loginuid")
"""Who logged in. The kernel keeps this number under sudo and su, and a user cannot change it (Linux audit)."""
UNSET = 2**32 - 1
"""The login uid of a process that nobody started from a login."""


def real_user() -> str:
    """The name of the person who runs this process."""
    person = person_of(_login_uid(), os.geteuid(), os.environ.get("SUDO_USER"), os.getuid())
    return clean(person) if isinstance(person, str) else _name(person)


def person_of(login: int | None, effective: int, sudo_user: str | None, real: int) -> int | str:
    """The person behind a process: a uid, or a name.

    ``login``: the login uid (None: this system has none). ``sudo_user``: the environment variable SUDO_USER. Any user
    can set it, so it counts only for root, who could write the state database too.
    """
    if login is not None and login != UNSET:
        return login
    return sudo_user if sudo_user and effective == 0 else real


def _login_uid() -> int | None:
    try:
        return int(LOGIN_UID.read_text("ascii"))
    except (OSError, ValueError):
        return None


def _name(uid: int) -> str:
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return f"uid {uid}"
