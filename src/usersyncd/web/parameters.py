"""The parameters in the query of a request."""

from __future__ import annotations

from collections.abc import Collection

from usersyncd.nearest import nearest


def refuse_unknown(given: Collection[str], known: Collection[str]) -> None:
    """Raise ValueError for a parameter that a route does not know: a misspelt one would be without effect."""
    for name in given:
        if name not in known:
            raise ValueError(f"there is no parameter “{name[:50]}” here{nearest(name[:50], known) or ': leave it out'}")
