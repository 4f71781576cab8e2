"""What the commands share: finding the configuration file, showing errors, printing JSON."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any
from uuid import uuid4

import typer

from usersyncd.cleaning import clean, clean_json, clean_lines
from usersyncd.errors import ConfigError, UsersyncError

if TYPE_CHECKING:
    from collections.abc import Iterable

    from usersyncd.config import Config

ENVIRONMENT = "USERSYNCD_CONFIG"
PLACES = (Path("usersyncd.yaml"), Path("/etc/usersyncd/config.yaml"))
"""Where a configuration file is looked for, when neither ``--config`` nor ``$USERSYNCD_CONFIG`` names one."""

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
"""The option ``-c/--config`` of a command. It may stand before the command too: hand both to ``config_file``."""

JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON (docs/json.md says what).")]
DirectoriesArgument = Annotated[
    list[str] | None, typer.Argument(metavar="DIR", help="The directories. Default: all.", show_default=False)
]
CompleteOption = Annotated[
    bool, typer.Option("--complete", help="Read everything again, not only what changed since the last time.")
]
VerifyOption = Annotated[
    bool,
    typer.Option("--verify", help="Compare what the targets hold with what was delivered; a sync puts it back."),
]
TargetOption = Annotated[
    str | None,
    typer.Option(
        "--target", metavar="T", help="Only this target, and the directories that it lists.", show_default=False
    ),
]
QuietOption = Annotated[
    bool, typer.Option("-q", "--quiet", help="Show only what somebody has to look at, and no progress.")
]
VerboseOption = Annotated[bool, typer.Option("-v", "--verbose", help="Log on standard error what is done meanwhile.")]
AllOption = Annotated[bool, typer.Option("--all", help="Show all changes and names, not the first of each sort.")]


def config_file(context: typer.Context, option: Path | None) -> Path:
    """The configuration file to use. Raises ConfigError when none is named and none is found, or when its path is no
    UTF-8: neither JSON nor a database could take it."""
    named = option or context.find_object(Path) or os.environ.get(ENVIRONMENT)
    for place in [Path(named)] if named else filter(Path.exists, PLACES):
        whole = str(place.absolute())
        if (shown := whole.encode("utf-8", "backslashreplace").decode()) != whole:
            raise ConfigError(f"the path {clean(shown)} is no UTF-8", "rename that file or folder")
        return place
    raise ConfigError(
        f"there is no configuration file: neither {' nor '.join(map(str, PLACES))}",
        "name one with --config FILE, or write one with `usersyncd init`",
    )


def load_config(context: typer.Context, option: Path | None) -> Config:
    """Load the configuration. Raises ConfigError."""
    from usersyncd.config import load

    return load(config_file(context, option))


class Long:
    """A list of JSON texts in a document. It is written item by item, a line each: there may be very many."""

    def __init__(self, items: Iterable[bytes]) -> None:
        self.items = items


def print_json(value: Any) -> None:
    """One JSON document on standard output, in UTF-8 (RFC 8259, section 8.1)."""
    import msgspec

    mark = f"items of {uuid4().hex}"  # stands where they shall stand
    lists: list[Long] = []

    def put_off(long: Any) -> str:
        lists.append(long)
        return mark

    text = msgspec.json.format(msgspec.json.encode(value, enc_hook=put_off), indent=1).decode()
    for long, part in zip((None, *lists), text.split(f'"{mark}"'), strict=True):
        if long is not None:
            _put("[")
            for place, item in enumerate(long.items):
                _put((",\n" if place else "\n") + item.decode())
            _put("]")
        _put(part)
    _put("\n")
    sys.stdout.flush()


def _put(part: str) -> None:
    """A part of a JSON document."""
    sys.stdout.buffer.write(clean_json(part).encode())


def say(text: str, *, error: bool = False) -> None:
    """Print lines of plain text, on standard output or error."""
    stream = sys.stderr if error else sys.stdout
    stream.write(f"{clean_lines(text)}\n")
    stream.flush()


def print_error(error: UsersyncError) -> None:
    """The error as text on standard error: each fault with its line."""
    faults = error.faults if isinstance(error, ConfigError) else ()
    for fault in faults:
        say(str(fault), error=True)
        if fault.excerpt:
            say(fault.excerpt, error=True)
    if not faults:
        say(str(error), error=True)
