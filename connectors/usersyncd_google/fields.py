"""Partial responses: the selection of fields to request (developers.google.com, "Performance tips")."""

from __future__ import annotations

import re
from collections.abc import Iterable

WHOLE: frozenset[str] = frozenset()
"""A field with all its parts."""


class Fields(dict[str, frozenset[str]]):
    """Top-level fields, each with its needed parts; :data:`WHOLE` for all parts."""

    def need(self, selections: Iterable[str]) -> Fields:
        """Add selections such as ``name(givenName),suspended``."""
        for selection in selections:
            for name, below in re.findall(r"(\w+)(?:\(([\w,]+)\))?", selection):
                parts = frozenset(below.split(",")) if below else WHOLE
                known = self.get(name, parts)
                self[name] = parts | known if parts and known else WHOLE
        return self

    def __str__(self) -> str:
        return ",".join(f"{name}({','.join(sorted(parts))})" if parts else name for name, parts in sorted(self.items()))


def listing(collection: str, fields: Fields | None) -> str:
    """The selection for a page; ``fields`` None: everything. ``kind`` proves that the response comes from Google."""
    return f"kind,nextPageToken,{collection}" + (f"({fields})" if fields else "")
