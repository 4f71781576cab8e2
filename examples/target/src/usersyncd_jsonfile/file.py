"""The format of the file, and how it is read and replaced."""

from __future__ import annotations

import os
from pathlib import Path

import msgspec
from usersyncd.errors import TargetError
from usersyncd.plugin import Kind, Value


class Entry(msgspec.Struct, frozen=True):
    """A user or a group. ``record``: the directory and the id of the record to which it belongs."""

    kind: Kind
    key: str | int
    record: tuple[str, str]
    attributes: dict[str, Value]


class Document(msgspec.Struct):
    """The whole file: entries by target id, and memberships as pairs of target ids (group, member)."""

    entries: dict[str, Entry] = {}
    members: set[tuple[str, str]] = set()


def load(path: Path) -> Document:
    """A file that does not exist yet is empty. Raises TargetError when it cannot be read."""
    try:
        return msgspec.json.decode(path.read_bytes(), type=Document)
    except FileNotFoundError:
        return Document()
    except (OSError, msgspec.DecodeError) as error:
        raise TargetError(f"{path} cannot be read: {error}", "restore the file from a backup") from error


def save(path: Path, document: Document) -> None:
    """Replace the file in one step: a reader sees the old one or the new one. When this returns, the new one survives a
    power loss. Raises TargetError."""
    new = path.with_name(f".{path.name}.new")
    try:
        with new.open("wb") as file:
            file.write(msgspec.json.format(msgspec.json.encode(document, order="sorted")))
            file.flush()
            os.fsync(file.fileno())
        new.replace(path)
        _sync(path.parent)
    except OSError as error:
        raise TargetError(f"{path} cannot be written: {error}", "let usersyncd write to its folder") from error


def _sync(folder: Path) -> None:
    """Sync the folder, which contains the new name of the file."""
    opened = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(opened)
    finally:
        os.close(opened)
