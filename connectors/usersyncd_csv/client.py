"""Reads CSV files: makes private copies that no other program writes to, and yields their rows with line numbers."""

from __future__ import annotations

import csv
import json
import re
import stat
from collections import Counter
from collections.abc import Collection, Iterator, Sequence
from contextlib import ExitStack
from io import TextIOWrapper
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

from usersyncd.errors import SourceError
from usersyncd_csv.copying import BOM, copy_file

if TYPE_CHECKING:
    from _csv import Reader

TRIES = 3
"""Attempts to read files that change while they are read."""

HEADER = -1
"""The row number of the header."""

BROKEN = None
"""Stands for the row that cannot be parsed."""

_NUMBER = re.compile(r"[+(]?\d[\d\s.:/()-]*\Z")
"""A number, a date or a telephone number, which is not a column name."""

OPEN_QUOTE = "a quote is opened here and never closed"

SHOWN = 60
"""Maximum number of characters of a cell in a message."""

Stamp = tuple[int, int, int]
"""Changes when a file is written or replaced: size in bytes, modification time in nanoseconds, inode."""


def copy_files(paths: Sequence[Path], encoding: str, closing: ExitStack) -> list[BinaryIO]:
    """Copy files that belong together to unnamed temporary files in UTF-8, which ``closing`` closes.

    When one of them changes meanwhile, all are copied again, in at most ``TRIES`` attempts. Raises SourceError when a
    file is missing or unreadable, is not in ``encoding`` (a few lines may have invalid bytes), contains a NUL, or keeps
    changing.
    """
    for _ in range(TRIES):
        before = [_stamp(path) for path in paths]
        with ExitStack() as attempt:
            fault = None
            try:
                copied = [_copy(path, encoding, attempt) for path in paths]
            except SourceError as error:
                fault = error
            changed = [path for path, stamp in zip(paths, before, strict=True) if _stamp(path) != stamp]
            if not changed:
                if fault:
                    raise fault
                closing.push(attempt.pop_all())
                return copied
    raise SourceError(
        f"{changed[0]}: the file keeps changing while it is read ({TRIES} tries)",
        "wait until it is written; the export should write a new file beside it and rename it at the end",
    )


def _stamp(path: Path) -> Stamp:
    try:
        status = path.stat()
    except OSError as error:
        raise _unreadable(path, error) from error
    if not stat.S_ISREG(status.st_mode):
        raise SourceError(f"{path} is not a regular file", "name the CSV file itself in the options of this directory")
    return status.st_size, status.st_mtime_ns, status.st_ino


def _copy(path: Path, encoding: str, closing: ExitStack) -> BinaryIO:
    try:
        return copy_file(path, encoding, closing)
    except OSError as error:
        raise _unreadable(path, error) from error


def _unreadable(path: Path, error: OSError) -> SourceError:
    remedies = {
        FileNotFoundError: "create it, or correct its path; a relative path starts at the configuration file's folder",
        PermissionError: "allow the user that runs usersyncd to read the file and enter its folders",
    }
    return SourceError(f"{path}: {error.strerror}", remedies.get(type(error), "make sure that the file can be read"))


def _is_text(name: str) -> bool:
    try:
        name.encode()
    except UnicodeEncodeError:
        return False
    return True


def shortened(cell: str) -> str:
    """A cell, shortened for a message."""
    return cell if len(cell) <= SHOWN else f"{cell[:SHOWN]}…"


def _is_header(columns: Sequence[str], known: Collection[str]) -> bool:
    """Whether a first line has a known column name and no data, for any delimiter."""
    names = {name.strip(f"{BOM} ") for column in columns for name in re.split(r"[,;|\t]", column)}
    return not names.isdisjoint(known) and not any("@" in name or _NUMBER.match(name) for name in names)


class Table:
    """One file: its header, and the rows below."""

    def __init__(
        self, path: Path, copy: BinaryIO, delimiter: str, required: Sequence[str], known: Collection[str] = ()
    ) -> None:
        """Reads the header. Raises SourceError when it is missing or lacks a ``required`` column. A first line with
        neither ``required`` nor ``known`` names is not a header."""
        self.path = path
        self._text = TextIOWrapper(copy, encoding="utf-8", errors="surrogateescape", newline="")
        self._delimiter = delimiter
        self.columns = self._header(required, known)

    def batches(self, size: int) -> Iterator[tuple[int, list[list[str]]]]:
        """All rows in batches of ``size``, each with the number of its first row. Numbers start at 0 and skip empty
        lines. Raises SourceError for a row that has more or fewer cells than the header."""
        reader = self._reader()
        width = len(self.columns)
        number = 0
        try:
            while not next(reader):
                pass
            while batch := list(islice(reader, size)):
                widths = set(map(len, batch))
                if widths != {width}:
                    batch = [row for row in batch if row]
                    for place, row in enumerate(batch, number):
                        if len(row) != width:
                            raise self._uneven(place, row)
                if batch:
                    yield number, batch
                number += len(batch)
        except csv.Error as error:
            raise self._malformed(error) from error

    def fault(self, number: int | None, message: str, remedy: str) -> SourceError:
        """The error about the row with this number."""
        return SourceError(f"{self.path}:{self.line(number)}: {message}", remedy)

    def line(self, number: int | None) -> int:
        """The physical line, from 1, at which this row starts; None: of the row that cannot be parsed.

        Found by reading again, because counting lines during every read would double its cost.
        """
        reader = self._reader()
        start, place = 1, HEADER
        try:
            for row in reader:
                if row:
                    if place == number:
                        break
                    place += 1
                start = reader.line_num + 1
        except csv.Error:
            pass
        return start

    def _reader(self) -> Reader:
        self._text.seek(0)
        return csv.reader(self._text, delimiter=self._delimiter, strict=True)

    def _header(self, required: Sequence[str], known: Collection[str]) -> tuple[str, ...]:
        try:
            header = next((row for row in self._reader() if row), None)
        except csv.Error as error:
            raise self._malformed(error) from error
        if header is None:
            raise SourceError(
                f"{self.path}:1: the file is empty: it has no header line",
                f"write it again; a file without rows still needs its header, with at least {', '.join(required)}",
            )
        self._verify_no_sep(header)
        columns = tuple(name.strip() for name in header)
        self._verify_text(columns)
        if not ({*required} <= {*columns} or _is_header(columns, {*required, *known})):
            # The line may be a person's row, and messages never show personal data.
            raise self.fault(
                HEADER,
                "the first line names none of the known columns: is the header missing?",
                f"write the header above the rows, with at least {', '.join(required)}, spelt just so; "
                f"or is the option `delimiter` wrong (now {self._delimiter!r})?",
            )
        self._verify_no_bom(columns)
        if "" in columns:
            place = columns.index("") + 1
            raise self.fault(HEADER, f"column {place} of the header has no name", "name every column, or remove it")
        for name, times in Counter(columns).items():
            if times > 1:
                raise self.fault(HEADER, f"the header names the column {name} {times} times", "keep one of them")
        for name in required:
            if name not in columns:
                raise self.fault(
                    HEADER,
                    f"the header has no column {name}; it has {', '.join(columns)}",
                    f"add {name}, spelt just so; or is the option `delimiter` wrong (now {self._delimiter!r})?",
                )
        return columns

    def _verify_no_sep(self, header: Sequence[str]) -> None:
        if match := re.fullmatch(r"sep=(.?)", header[0]):
            # The line is split if it has the delimiter of the options.
            delimiter = json.dumps(match[1] or self._delimiter, ensure_ascii=False)
            raise self.fault(
                HEADER,
                f"this is Excel's line sep={delimiter[1:-1]}, not the header",
                f"remove the line, and write the option `delimiter: {delimiter}`",
            )

    def _verify_text(self, columns: Sequence[str]) -> None:
        if not all(map(_is_text, columns)):
            raise self.fault(
                HEADER,
                "the header has bytes that are not in the encoding",
                "save the file in UTF-8, or name its encoding in the option `encoding`",
            )

    def _verify_no_bom(self, columns: Sequence[str]) -> None:
        if hidden := next((name for name in columns if BOM in name), None):
            raise self.fault(
                HEADER,
                f"the column {hidden.replace(BOM, '')} begins with an invisible byte order mark (BOM, U+FEFF)",
                "save the file again as UTF-8, with one BOM or without",
            )

    def _uneven(self, number: int, row: Sequence[str]) -> SourceError:
        return self.fault(
            number,
            f"the row has {len(row)} cells, but the header has {len(self.columns)} columns",
            "is the row cut off, a quote missing, or a delimiter inside a cell that is not quoted? Correct the row",
        )

    def _malformed(self, error: csv.Error) -> SourceError:
        reason = str(error)
        remedy = 'put a cell with a delimiter, line break or quote in quotes, and double every quote in it ("")'
        if reason.startswith("unexpected end of data"):
            reason = OPEN_QUOTE
        elif reason.startswith("field larger"):
            reason = f"{OPEN_QUOTE}, or a cell has more than {csv.field_size_limit():,} characters"
            remedy += "; shorten a longer cell"
        return self.fault(BROKEN, reason, remedy)
