"""Logs on standard error: one JSON object per line for programs, coloured text at a terminal, and never a secret.

Every line has ``timestamp`` (UTC, ISO 8601), ``level``, ``event`` (the text) and ``event_name``, which stays the same
when the text changes: docs/logs.md lists the names, and OpenTelemetry has a field of this name. The values that are
bound to the logger follow (``directory``, ``run`` …). If systemd reads standard error, lines begin with their priority
(sd-daemon(3)), which systemd removes: so ``journalctl -p warning`` works. Lines that libraries log with
:mod:`logging` are treated in the same way, from WARNING on.
"""

from __future__ import annotations

import logging
import os
import sys
from collections.abc import Mapping
from contextlib import suppress
from typing import Any

import structlog
from structlog.typing import EventDict, Processor, WrappedLogger

from usersyncd.cleaning import clean, clean_json
from usersyncd.errors import ConfigError
from usersyncd.words import MASK, masked, names_secret

LEVELS = {"debug": logging.DEBUG, "info": logging.INFO, "warning": logging.WARNING, "error": logging.ERROR}
LONGEST = 2_000
"""Maximum number of characters of one text in a line of the log."""
LONGEST_TRACE = 20_000
"""Maximum number of characters of a traceback."""
UNNAMED = "unnamed"
"""The ``event_name`` of a line of a plugin that gives no name."""

_INDENT = " " * 10
_STYLE = {"warning": "33", "error": "31", "critical": "31"}  # yellow, red (ECMA-48, SGR)
_PRIORITY = {"debug": 7, "info": 6, "warning": 4, "error": 3, "critical": 2}  # syslog(3)


def configure(level: str = "info", json: bool | None = None) -> None:
    """Set up all logging of the process. ``json`` None: JSON unless standard error is a terminal.

    Raises ConfigError for an unknown level.
    """
    if level not in LEVELS:
        raise ConfigError(f"there is no log level {level!r}", f"use one of {', '.join(LEVELS)}")
    if json is None:
        json = not sys.stderr.isatty()
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso" if json else "%H:%M:%S", utc=json),
            structlog.processors.StackInfoRenderer(),
            structlog.processors.format_exc_info,
            redact,
            *(_machine() if json else _person()),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(LEVELS[level]),
        logger_factory=structlog.WriteLoggerFactory(file=_StandardError()),  # type: ignore[arg-type]
        cache_logger_on_first_use=False,
    )
    root = logging.getLogger()
    root.setLevel(max(LEVELS[level], logging.WARNING))
    root.handlers = [handler for handler in root.handlers if not isinstance(handler, _Bridge)] + [_Bridge()]


def redact(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
    """Mask secrets, as a structlog processor: values under keys that name a secret, and secrets within texts."""
    return {key: _masked(key, value) for key, value in event.items()}


def _masked(key: str, value: Any) -> Any:
    if value is None or isinstance(value, bool):
        return value
    if key == "exception":
        return _bounded(str(value), LONGEST_TRACE)
    return MASK if names_secret(key) else _scrubbed(value)


def _scrubbed(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {str(key): _masked(str(key), inner) for key, inner in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [_scrubbed(inner) for inner in value]
    if value is None or isinstance(value, int | float):
        return value
    return _bounded(repr(value) if isinstance(value, bytes) else str(value), LONGEST)


def _bounded(text: str, most: int) -> str:
    text = masked(text[: 2 * most])
    return text if len(text) <= most else f"{text[:most]}…"


def _machine() -> list[Processor]:
    render = structlog.processors.JSONRenderer(ensure_ascii=False)
    journal = _to_journal()

    def line(logger: WrappedLogger, method: str, event: EventDict) -> str:
        event.setdefault("event_name", UNNAMED)
        first = {key: event.pop(key) for key in ("timestamp", "level", "event", "event_name")}
        text = clean_json(str(render(logger, method, {**first, **event})))
        return f"<{_PRIORITY[first['level']]}>{text}" if journal else text

    return [line]


def _person() -> list[Processor]:
    return [_Words("NO_COLOR" not in os.environ)]


class _Words:
    """Renders a line for a terminal: ``14:02:11  hr  3 users created``.

    The line has the time, the directory or target, the text, then other fields. The traceback of an error follows,
    without local variables, which may hold secrets.
    """

    def __init__(self, colors: bool) -> None:
        self._colors = colors

    def __call__(self, _logger: WrappedLogger, _method: str, event: EventDict) -> str:
        level, exception = event.pop("level"), event.pop("exception", "")
        text = f"\n{_INDENT}".join(map(clean, str(event.pop("event")).split("\n")))
        parts = [self._styled(event.pop("timestamp"), "2"), self._styled(text, _STYLE.get(level, ""))]
        if (subject := event.pop("directory", None) or event.pop("target", None)) is not None:
            parts.insert(1, self._styled(clean(str(subject)), "1"))
        for key in ("run", "event_name", "code"):  # For programs; `usersyncd history` lists the runs.
            event.pop(key, None)
        if event:
            parts.append(self._styled(" ".join(clean(f"{key}={value}") for key, value in event.items()), "2"))
        return "\n".join(["  ".join(parts), *map(clean, filter(None, str(exception).split("\n")))])

    def _styled(self, text: str, style: str) -> str:
        return f"\x1b[{style}m{text}\x1b[0m" if self._colors and style else text


def _to_journal() -> bool:
    """Whether standard error is the journal's: ``$JOURNAL_STREAM`` holds its device and inode (systemd.exec(5))."""
    try:
        stderr = os.fstat(sys.stderr.fileno())
    except (OSError, ValueError):
        return False
    return os.environ.get("JOURNAL_STREAM") == f"{stderr.st_dev}:{stderr.st_ino}"


class _StandardError:
    """Writes to the current ``sys.stderr``: a progress bar replaces that while it is shown."""

    def write(self, text: str) -> int:
        with suppress(OSError):  # A full disk, or a reader that has exited, does not stop the daemon.
            sys.stderr.write(text)
        return len(text)

    def flush(self) -> None:
        with suppress(OSError):
            sys.stderr.flush()


class _Bridge(logging.Handler):
    """Passes what libraries log through :mod:`logging` to structlog."""

    def emit(self, record: logging.LogRecord) -> None:
        level = max(logging.DEBUG, min(logging.CRITICAL, record.levelno // 10 * 10))
        try:
            log = structlog.get_logger().bind(logger=record.name)
            log.log(level, record.getMessage(), event_name="library.message", exc_info=record.exc_info)
        except Exception:
            self.handleError(record)
