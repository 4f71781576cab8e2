"""The format of the two files: passwd(5) and group(5). A line in another format is an error and never skipped."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from usersyncd.errors import SourceError


class Account(NamedTuple):
    """A line of passwd(5). ``gecos`` is full name, room, work phone and home phone, separated by commas."""

    login: str
    uid: int
    gid: int
    gecos: str
    home: str
    shell: str


class Group(NamedTuple):
    """A line of group(5). ``logins`` does not contain the accounts with this primary group (``Account.gid``)."""

    name: str
    gid: int
    logins: tuple[str, ...]


def accounts(path: Path) -> Iterator[Account]:
    """Raises SourceError, naming file and line."""
    for place, (login, _, uid, gid, gecos, home, shell) in _lines(path, fields=7):
        yield Account(login, _number(place, uid), _number(place, gid), gecos, home, shell)


def groups(path: Path) -> Iterator[Group]:
    """Raises SourceError, naming file and line."""
    for place, (name, _, gid, logins) in _lines(path, fields=4):
        yield Group(name, _number(place, gid), tuple(login for login in logins.split(",") if login))


def _lines(path: Path, fields: int) -> Iterator[tuple[str, list[str]]]:
    try:
        # Read in one go. Tools like usermod write a new file and rename it, so this is one state and not half of two.
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeError) as error:
        raise SourceError(
            f"{path} cannot be read: {error}", "correct the path, or let usersyncd read the file"
        ) from error
    if not text:
        raise SourceError(f"{path} is empty", "every machine has accounts and groups: restore the file")
    for number, line in enumerate(text.splitlines(), 1):
        place, found = f"{path}:{number}", line.split(":")
        if len(found) != fields:
            raise SourceError(
                f"{place}: {len(found)} fields instead of {fields}", "correct the line, for example with vipw"
            )
        yield place, found


def _number(place: str, text: str) -> int:
    if not text.isdecimal():
        raise SourceError(f"{place}: {text!r} is not a uid or gid", "correct the line, for example with vipw")
    return int(text)
