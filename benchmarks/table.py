"""The table of all benchmarks: what each piece of work costs, its floor, a peer, the limit, and whether it holds.

A benchmark adds lines with :func:`add`. ``python -m benchmarks`` collects the lines of all of them through a file, and
prints them at the end as one table; a benchmark that runs alone prints its own when it ends.
"""

from __future__ import annotations

import atexit
import os
from collections.abc import Sequence
from pathlib import Path

import msgspec
from benchmarks.measure import Cost

FILE = "USERSYNCD_BENCHMARKS"
"""The environment variable with the path of the file that collects lines."""
HEAD = ("work", "floor", "peer", "ours", "ratio", "limit", "")


class Line(msgspec.Struct):
    """One line. A ratio holds if each of its numbers is at most ``limit``; without a limit it is only shown."""

    work: str
    floor: str
    peer: str
    ours: str
    ratios: list[float]
    limit: float | None
    unit: str = "×"


_lines: list[Line] = []


def add(
    work: str, ours: Cost, *, floor: Cost | None = None, peer: Cost | str | None = None, limit: float | None = None
) -> None:
    """A line whose ratio is that of ours to the peer, or else to the floor, in wall and in CPU time.

    ``peer``: a text says why it was not measured; then the line has no ratio.
    """
    base = peer if peer is not None else floor
    ratios = [ours.wall / base.wall, ours.cpu / base.cpu] if isinstance(base, Cost) else []
    seen = peer if isinstance(peer, str) else _times(peer)
    _add(Line(work, _times(floor), seen, _times(ours), ratios, limit))


def add_cpu(work: str, ours: float, floor: float, *, limit: float | None = None) -> None:
    """A line of CPU seconds."""
    _add(Line(work, f"CPU {floor:.2f} s", "", f"CPU {ours:.2f} s", [ours / floor], limit))


def add_measure(work: str, ours: float, unit: str, limit: float | None = None) -> None:
    """A line of a figure that has its own limit, such as megabytes."""
    _add(Line(work, "", "", "", [ours], limit, f" {unit}"))


def show(lines: Sequence[Line]) -> None:
    """Print the table."""
    rows = [HEAD, *map(_row, lines)]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for row in rows:
        print("  ".join(text.ljust(width) for text, width in zip(row, widths, strict=True)).rstrip())


def read(file: Path) -> list[Line]:
    """The lines that benchmarks wrote to the file."""
    return [msgspec.json.decode(line, type=Line) for line in file.read_bytes().splitlines()]


def _add(line: Line) -> None:
    if file := os.environ.get(FILE):
        with Path(file).open("ab") as out:
            out.write(msgspec.json.encode(line) + b"\n")
    if not _lines:
        atexit.register(show, _lines)
    _lines.append(line)


def _times(cost: Cost | None) -> str:
    return f"{cost.wall:.2f} s, CPU {cost.cpu:.2f}" if cost else ""


def _row(line: Line) -> tuple[str, ...]:
    ratio = ", CPU ".join(f"{each:.2f}" for each in line.ratios) + line.unit if line.ratios else ""
    if line.limit is None:
        return (line.work, line.floor, line.peer, line.ours, ratio, "", "")
    holds = ("holds" if max(line.ratios) <= line.limit else "does not hold") if line.ratios else "not measured"
    return (line.work, line.floor, line.peer, line.ours, ratio, f"{line.limit:g}{line.unit}", holds)
