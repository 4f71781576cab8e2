"""The errors of usersyncd. Each one says what happened and what to do next, and contains no secret.

The command line prints ``str(error)`` and exits with ``error.exit_code``; it never shows a stack trace for these.
"""

from __future__ import annotations

from collections.abc import Sequence

from msgspec import Struct

from usersyncd.words import quoted

_ARROW = "\n  → "


class UsersyncError(Exception):
    """Base of all errors that a person can correct: what happened (``message``) and what to do next (``remedy``).

    ``code`` stays the same when the message changes: programs read it in JSON and in the log (docs/logs.md).
    """

    exit_code = 1
    code = "error"

    def __init__(self, message: str, remedy: str | None = None) -> None:
        # Quoted text comes from outside: a lone surrogate, half a character, can be neither stored nor printed.
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
    """Shorten the text of a connector about one record as :class:`ConnectorError` does. It may contain a remedy."""
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
    """The configuration or the command cannot be used. ``faults`` has every fault of the configuration file."""

    exit_code = 2
    code = "config"

    def __init__(self, message: str, remedy: str | None = None, faults: Sequence[Fault] = ()) -> None:
        super().__init__(message, remedy)
        self.faults = tuple(faults)

    def __str__(self) -> str:
        return "\n".join(map(str, self.faults)) if self.faults else super().__str__()


class PluginError(ConfigError):
    """A connector is not installed, needs a library that is not installed, or was made for another contract version."""

    code = "plugin"


class ConnectorError(UsersyncError):
    """Base of the errors that connectors raise. They may quote a server, so message and remedy are one line each, of
    limited length, with secrets masked."""

    code = "connector"
    LONGEST = 1_000
    """Characters of the message, and of the remedy."""

    def __init__(self, message: str, remedy: str | None = None) -> None:
        super().__init__(quoted(message, self.LONGEST), quoted(remedy, self.LONGEST) if remedy else None)


class SourceError(ConnectorError):
    """A pull is discarded: the directory could not be read to its end. Nothing was changed."""

    code = "source"


class WholePullError(SourceError):
    """One person cannot be read alone: only a pull of the whole directory can."""

    code = "whole_pull"


class UnknownPersonError(SourceError):
    """Neither the directory nor the snapshot has this person."""

    code = "unknown_person"


class AmbiguousPersonError(SourceError):
    """Several people have the name by which one person was requested."""

    code = "ambiguous_person"


class TargetError(ConnectorError):
    """A target as a whole cannot be written. The next run plans changes again that were not acknowledged."""

    code = "target"


class StateError(UsersyncError):
    """The state database cannot be used."""

    code = "state"


class LockedError(UsersyncError):
    """Another process is pulling this directory, or delivering to this target, now."""

    code = "locked"


class ListenError(UsersyncError):
    """The web service cannot listen at its address. The address may be free later, so starting again may help."""

    code = "listen"


class FeedError(UsersyncError):
    """A feed of events cannot be read like this: no such stream, or text that is not a cursor."""

    code = "feed"


class CursorError(FeedError):
    """A cursor cannot be followed any more: its events are pruned, or the state was restored or replaced."""

    code = "cursor"


class RestoredError(CursorError):
    """A cursor shows that the state was restored: its stream has begun a new epoch because of it. Every later cursor of
    the lost history is a CursorError."""

    code = "restored"


class NoStreamError(FeedError):
    """An events target has no stream yet."""

    code = "no_stream"
