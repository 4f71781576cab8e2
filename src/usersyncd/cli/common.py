"""Shared by the commands: options, the configuration file, errors, and JSON documents."""

from __future__ import annotations

import os
import sys
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from usersyncd.cleaning import clean, clean_json, clean_lines
from usersyncd.errors import ConfigError, UsersyncError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from usersyncd.config import Config

ENVIRONMENT = "USERSYNCD_CONFIG"
PLACES = (Path("usersyncd.yaml"), Path("/etc/usersyncd/config.yaml"))
"""Where a configuration file is looked for if neither ``--config`` nor ``$USERSYNCD_CONFIG`` names one."""

ConfigOption = Annotated[
    Path | None,
    typer.Option(
        "-c",
        "--config",
        metavar="FILE",
        help=f"The configuration file. Default: ${ENVIRONMENT}, ./{PLACES[0]}, {PLACES[1]}.",
        show_default=False,
    ),
]
"""The option ``-c/--config``. It may also stand before the command: ``config_file`` looks at both."""

JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON, as docs/json.md describes.")]
DirectoriesArgument = Annotated[
    list[str] | None, typer.Argument(metavar="DIR", help="The directories. Default: all.", show_default=False)
]
CompleteOption = Annotated[
    bool, typer.Option("--complete", help="Read everything again, not only what changed since the last pull.")
]
VerifyOption = Annotated[
    bool,
    typer.Option("--verify", help="Compare what the targets hold with what was delivered; sync restores what differs."),
]
TargetOption = Annotated[
    str | None,
    typer.Option(
        "--target", metavar="T", help="Use only this target, and the directories that it lists.", show_default=False
    ),
]
QuietOption = Annotated[bool, typer.Option("-q", "--quiet", help="Show only what needs attention, and no progress.")]
VerboseOption = Annotated[bool, typer.Option("-v", "--verbose", help="Log each step on standard error.")]
AllOption = Annotated[bool, typer.Option("--all", help="Show all changes and names, not only the first of each sort.")]


def config_file(context: typer.Context, option: Path | None) -> Path:
    """The configuration file to use.

    Raises ConfigError if no file is named and none is found, or if its path is not UTF-8, which JSON and databases
    cannot hold.
    """
    named = option or context.find_object(Path) or os.environ.get(ENVIRONMENT)
    for place in [Path(named)] if named else filter(Path.exists, PLACES):
        whole = str(place.absolute())
        if (shown := whole.encode("utf-8", "backslashreplace").decode()) != whole:
            raise ConfigError(f"the path {clean(shown)} is not UTF-8", "rename that file or folder")
        return place
    raise ConfigError(
        f"there is no configuration file: neither {' nor '.join(map(str, PLACES))}",
        "name one with --config FILE, or write one with `usersyncd init`",
    )


def load_config(context: typer.Context, option: Path | None) -> Config:
    """Load the configuration. Raises ConfigError."""
    from usersyncd.config import load

    return load(config_file(context, option))


class StreamedList:
    """A list of JSON texts in a document. It is written item by item, one line each, because it may be very long."""

    def __init__(self, items: Iterable[bytes]) -> None:
        self.items = items


def print_json(document: Any) -> None:
    """Print a JSON document on standard output, in UTF-8 (RFC 8259, section 8.1).

    ``document`` is what msgspec can encode. A StreamedList may stand wherever dicts and lists lead to it.
    """
    for part in chain(_json_parts(document, "\n"), ["\n"]):
        sys.stdout.buffer.write(clean_json(part).encode())
    sys.stdout.flush()


def _json_parts(value: Any, newline: str) -> Iterator[str]:
    """The text of a value, in parts. ``newline`` ends each line and indents the next one to the value's own level."""
    from msgspec import json

    inner = f"{newline} "
    if isinstance(value, StreamedList):
        yield "["
        for place, text in enumerate(value.items):
            yield f",\n{text.decode()}" if place else f"\n{text.decode()}"
        yield "]"
    elif isinstance(value, dict) and value:
        pairs = (chain([f"{json.encode(key).decode()}: "], _json_parts(item, inner)) for key, item in value.items())
        yield from _enclosed("{}", pairs, inner, newline)
    elif isinstance(value, list) and value:
        yield from _enclosed("[]", (_json_parts(item, inner) for item in value), inner, newline)
    else:
        yield json.format(json.encode(value), indent=1).decode().replace("\n", newline)


def _enclosed(brackets: str, items: Iterable[Iterable[str]], inner: str, newline: str) -> Iterator[str]:
    yield brackets[0]
    for place, item in enumerate(items):
        yield f",{inner}" if place else inner
        yield from item
    yield newline + brackets[1]


def say(text: str, *, error: bool = False) -> None:
    """Print lines of plain text, on standard output or error."""
    stream = sys.stderr if error else sys.stdout
    stream.write(f"{clean_lines(text)}\n")
    stream.flush()


def print_error(error: UsersyncError) -> None:
    """Print the error on standard error, each fault with its line of the file."""
    faults = error.faults if isinstance(error, ConfigError) else ()
    for fault in faults:
        say(str(fault), error=True)
        if fault.excerpt:
            say(fault.excerpt, error=True)
    if not faults:
        say(str(error), error=True)
