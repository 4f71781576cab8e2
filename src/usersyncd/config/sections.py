"""The sections of a configuration file that can be read, even if others have faults."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from usersyncd.config.document import Document


def sections(document: Document) -> Iterator[tuple[str, str, dict[str, Any]]]:
    """Each directory and target that is a mapping: ``directories`` or ``targets``, its name, and the mapping."""
    for part in ("directories", "targets"):
        entries = document.data.get(part) if isinstance(document.data, dict) else None
        for name, section in entries.items() if isinstance(entries, dict) else ():
            if isinstance(section, dict):
                yield part, name, section
