"""One small tree of errors. Each says what happened and what to do next; none carries a secret.

The command line prints ``str(error)`` and exits with ``error.exit_code``; it never shows a stack trace for these.
"""

from __future__ import annotations

from collections.abc import Sequence

from msgspec import Struct

from usersyncd.words import quoted

_ARROW = "\n  → "


class UsersyncError(Exception):
    """Base of all errors that a person can do something about: what happened, and the remedy. ``code`` stays the same
    when the message changes: programs read it in JSON and in the log (docs/logs.md lists the codes)."""

    exit_code = 1
    code = "error"

    def __init__(self, message: str, remedy: str | None = None) -> None:
        # What is quoted comes from anywhere: halves of characters can be neither stored nor printed.
        self.message = message.encode(errors="backslashreplace").decode()
        self.remedy = remedy and remedy.encode(errors="backslashreplace").decode()
        super().__init__(self.message)

    def __str__(self) -> str:
        return f"{self.message}{_ARROW}{self.remedy}" if self.remedy else self.message


def split_remedy(text: str) -> tuple[str, str | None]:
    """The message and the remedy of an error that was written as text."""
    message, _, remedy = text.partition(_ARROW)
    return message, remedy or None


def in_short(text: str) -> str:
    """What a connector says of one record, in the form of an error: bounded as :class:`ConnectorError` is."""
    return str(ConnectorError(*split_remedy(text)))


class Place(Struct, frozen=True):
    """A place in a file; ``line`` and ``column`` count from 1. As text it is ``config.yaml:31``, without the column."""

    file: str
    line: int = 1
    column: int = 1

    def __str__(self) -> str:
        return f"{self.file}:{self.line}"


class Fault(Struct, frozen=True):
    """One fault in a configuration file, with its place: ``line`` and ``column`` count from 1, ``path`` is dotted.
    ``excerpt`` is the line itself with a caret below it, secrets blanked out; empty when it is not known."""

    file: str
    line: int
    column: int
    path: str
    message: str
    excerpt: str = ""

    def __str__(self) -> str:
        return f"{self.file}:{self.line}:{self.column}: {self.path + ': ' if self.path else ''}{self.message}"


class ConfigError(UsersyncError):
    """The configuration cannot be used. ``faults`` names every place that is wrong, not only the first."""

    exit_code = 2
    code = "config"

    def __init__(self, message: str, remedy: str | None = None, faults: Sequence[Fault] = ()) -> None:
        super().__init__(message, remedy)
        self.faults = tuple(faults)

    def __str__(self) -> str:
        return "\n".join(map(str, self.faults)) if self.faults else super().__str__()


class PluginError(ConfigError):
    """A connector is missing, was made for another contract, or its extra is not installed."""

    code = "plugin"


class ConnectorError(UsersyncError):
    """What a connector raises. It may quote what a server sent: so each part is one line, of limited length, and
    without what looks like a secret."""

    code = "connector"
    LONGEST = 1_000
    """Characters of the message, and of the remedy."""

    def __init__(self, message: str, remedy: str | None = None) -> None:
        super().__init__(quoted(message, self.LONGEST), quoted(remedy, self.LONGEST) if remedy else None)


class SourceError(ConnectorError):
    """A pull is void: the directory could not be read to its end. Nothing was changed."""

    code = "source"


class TargetError(ConnectorError):
    """A target as a whole cannot be written. What it did not acknowledge is planned again in the next run."""

    code = "target"


class StateError(UsersyncError):
    """The state database cannot be used."""

    code = "state"


class LockedError(UsersyncError):
    """Another process is running this directory now."""

    code = "locked"
