"""Lookup tables from CSV files."""

from __future__ import annotations

import csv
import io
from pathlib import Path
from typing import Any, NamedTuple

from usersyncd.config.excerpt import Excerpts, in_order, split_lines
from usersyncd.errors import ConfigError, Fault
from usersyncd.files import read_file
from usersyncd.nearest import nearest


class FileStamp(NamedTuple):
    """The time of modification (nanoseconds), size and inode of a file: one differs if the file was changed or
    replaced."""

    modified: int
    size: int
    inode: int


def stamp(file: Path) -> FileStamp | None:
    """The present stamp of a file; None if the file system does not give it."""
    try:
        found = file.stat()
    except (OSError, ValueError):
        return None
    return FileStamp(found.st_mtime_ns, found.st_size, found.st_ino)


def read_table(file: Path, key: str, value: str) -> tuple[dict[str, str], list[Fault]]:
    """The table that maps the column ``key`` to the column ``value``, and the faults in the file's rows.

    UTF-8 (with or without BOM), a header line, RFC 4180 quoting. Raises ConfigError when the file cannot be read."""
    try:
        text = read_file(file).decode("utf-8-sig")
        table, faults = _rows(str(file), csv.reader(io.StringIO(text, newline=""), strict=True), key, value)
        return table, in_order(str(file), Excerpts(split_lines(text)), faults)
    except FileNotFoundError:
        raise ConfigError(f"there is no file {file}") from None
    except UnicodeDecodeError:
        raise ConfigError(f"{file} is not UTF-8: save it as UTF-8") from None
    except csv.Error as error:
        raise ConfigError(f"{file} is not a CSV file: {error}") from None
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else error
        raise ConfigError(f"{file} cannot be read: {reason}") from None


def _rows(file: str, rows: Any, key: str, value: str) -> tuple[dict[str, str], list[Fault]]:
    header = next(rows, None) or []
    missing = [column for column in (key, value) if column not in header]
    if missing:
        return {}, [
            Fault(file, 1, 1, "", f"there is no column “{column}”{nearest(column, header)}") for column in missing
        ]
    key_at, value_at = header.index(key), header.index(value)
    table: dict[str, str] = {}
    first: dict[str, int] = {}
    faults: list[Fault] = []
    for row in rows:
        line = rows.line_num
        if not row:
            continue
        if len(row) != len(header):
            faults.append(Fault(file, line, 1, "", f"this row has {len(row)} fields, the header has {len(header)}"))
        elif not row[key_at]:
            faults.append(Fault(file, line, 1, "", f"the column “{key}” is empty"))
        elif row[key_at] in first:
            faults.append(
                Fault(
                    file,
                    line,
                    1,
                    "",
                    f"“{row[key_at]}” stands in the column “{key}” twice; first on line {first[row[key_at]]}",
                )
            )
        else:
            table[row[key_at]] = row[value_at]
            first[row[key_at]] = line
    return table, faults
