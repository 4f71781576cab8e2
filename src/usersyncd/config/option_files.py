"""Checks the YAML files that the options of a connector name, as the configuration itself is checked."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from pydantic import BaseModel

from usersyncd.config.document import Document, KeyPath
from usersyncd.config.validation import validate
from usersyncd.files import read_file
from usersyncd.plugin import OptionFile, Options


def check_option_files(document: Document, options: Mapping[tuple[str, str], BaseModel], folder: Path) -> None:
    """Note every fault of the files that options name. ``options``: by (``directories`` or ``targets``, name)."""
    for (part, name), found in options.items():
        if isinstance(found, Options):
            for one in found.yaml_files(folder):
                _check(document, (part, name, "options", one.option), one)


def _check(document: Document, place: KeyPath, file: OptionFile) -> None:
    try:
        text = read_file(file.path).decode("utf-8-sig")
    except UnicodeDecodeError:
        document.fault(place, f"{file.path} is not UTF-8: save it as UTF-8")
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else error
        document.fault(place, f"{file.path} cannot be read: {reason}")
    else:
        content = Document(str(file.path), text)
        if content.root is not None:
            validate(content, file.model, content.data)
        document.note(content.faults())
