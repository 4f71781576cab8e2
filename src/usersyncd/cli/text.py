"""Text for a person. At a terminal, it is coloured and wrapped to the width; elsewhere it is plain and never cut."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from contextlib import suppress
from datetime import datetime, timedelta

import msgspec
from rich.console import Console, ConsoleOptions, Group, RenderableType
from rich.padding import Padding
from rich.segment import Segment
from rich.table import Table
from rich.text import Text

from usersyncd.cleaning import clean as clean
from usersyncd.cleaning import clean_lines
from usersyncd.plugin import Value

UNBOUNDED = 100_000
"""The width where there is no terminal: nothing is wrapped or cut."""

_TRAILING = re.compile(r" +((?:\x1b\[0m)?)$", re.MULTILINE)


BLANK = Text()
"""An empty line."""


class _Console(Console):
    """A console that cleans all text, so that only its own escapes reach the terminal."""

    def render(self, renderable: RenderableType, options: ConsoleOptions | None = None) -> Iterator[Segment]:
        for segment in super().render(renderable, options):
            yield segment if segment.control else segment._replace(text=clean_lines(segment.text))


def console(*, stderr: bool = False, width: int | None = None) -> Console:
    """Create a console that does not interpret text as markup."""
    return _Console(stderr=stderr, highlight=False, markup=False, emoji=False, width=width)


def show(*renderables: RenderableType, indent: int = 0) -> None:
    """Print to standard output."""
    out = console(width=None if sys.stdout.isatty() else UNBOUNDED)
    with out.capture() as captured:
        for renderable in renderables:
            indented = renderable is not BLANK and indent
            out.print(Padding(renderable, (0, 0, 0, indent), expand=False) if indented else renderable)
    sys.stdout.write(_TRAILING.sub(r"\1", captured.get()))
    sys.stdout.flush()


def value(of: Value) -> Text:
    """Show an attribute's value."""
    if of is None:
        return Text("–", style="dim")
    return Text(clean(of if isinstance(of, str) else msgspec.json.encode(of).decode()))


def error(text: str) -> RenderableType:
    """Show an error, with the remedy on its own line."""
    return Group(*(hanging(*_indent(clean(line)), style="red") for line in text.split("\n")))


def _indent(line: str) -> tuple[str, str]:
    found = re.match(r"\s*(?:→ )?", line)
    length = found.end() if found else 0
    return line[:length], line[length:]


def hanging(mark: str | Text, text: str | Text, style: str = "") -> RenderableType:
    """Show text behind a mark. Text that is too long for the terminal continues below its own first column."""
    line = grid(2 if mark else 1, gap=0)
    line.add_row(*((mark, text) if mark else (text,)), style=style)
    return line


def grid(columns: int, *, gap: int = 1) -> Table:
    """Create a table without lines. Text that is too long for the terminal is folded, never cut."""
    table = Table.grid(padding=(0, gap, 0, 0))
    for _ in range(columns):
        table.add_column(overflow="fold")
    return table


def age(span: timedelta) -> str:
    """``12 s``, ``3 min``, ``2 h``, ``5 d``."""
    seconds = int(abs(span).total_seconds())
    for size, unit in ((86_400, "d"), (3_600, "h"), (60, "min")):
        if seconds >= size:
            return f"{seconds // size} {unit}"
    return f"{seconds} s"


def local(time: str) -> str:
    """Show a stored time in local time; in UTC, if it is the year 9999 there and a later one here."""
    moment = datetime.fromisoformat(time)
    with suppress(OverflowError):
        moment = moment.astimezone()
    return moment.strftime("%Y-%m-%d %H:%M:%S")
