"""Writing configuration files for tests."""

from __future__ import annotations

from pathlib import Path
from textwrap import dedent

import pytest
from msgspec import structs

from usersyncd.config import Config, load
from usersyncd.errors import ConfigError, Fault

DESK = """\
directories:
  desk:
    connector: acme-paper
"""


def written(folder: Path, text: str) -> Path:
    file = folder / "config.yaml"
    file.write_text(dedent(text), encoding="utf-8")
    return file


def loaded(folder: Path, text: str) -> Config:
    return load(written(folder, text))


def faults(folder: Path, text: str | bytes) -> list[Fault]:
    """Load a text or bytes, and return all its faults. They name the file without its folder."""
    file = folder / "config.yaml"
    file.write_bytes(text if isinstance(text, bytes) else dedent(text).encode("utf-8"))
    with pytest.raises(ConfigError) as caught:
        load(file)
    assert caught.value.faults
    assert caught.value.exit_code == 2
    return [structs.replace(fault, file=fault.file.removeprefix(f"{folder}/")) for fault in caught.value.faults]


def fault(folder: Path, text: str | bytes) -> Fault:
    """Load a text with one fault, and return the fault."""
    (only,) = faults(folder, text)
    return only


def place(found: Fault) -> tuple[int, int, str]:
    """Return line, column and path of a fault."""
    return found.line, found.column, found.path
