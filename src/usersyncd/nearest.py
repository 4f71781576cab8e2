"""Suggests the closest valid word for an unknown one."""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches


def nearest(wrong: str, right: Iterable[str]) -> str:
    """The end of a message about an unknown word: the closest valid word; if none is close, all valid words."""
    words = sorted(right)
    by_folded = {word.lower().replace("-", "_"): word for word in words}
    close = get_close_matches(wrong.lower().replace("-", "_"), by_folded, n=1, cutoff=0.6)
    if close:
        return f": did you mean {by_folded[close[0]]}?"
    return f": use {'one of ' if len(words) > 1 else ''}{', '.join(words)}" if words else ""
