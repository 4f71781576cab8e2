"""Suggests the closest valid word for an unknown one."""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches


def nearest(wrong: str, right: Iterable[str]) -> str:
    """The end of a message about an unknown word: the closest valid word; if none is close, all valid words."""
    words = sorted(right)
    if (close := closest(wrong, words)) is not None:
        return f": did you mean {close}?"
    return f": use {'one of ' if len(words) > 1 else ''}{', '.join(words)}" if words else ""


def closest(wrong: str, right: Iterable[str]) -> str | None:
    """The closest valid word; None if none is close."""
    by_folded = {word.lower().replace("-", "_"): word for word in right}
    close = get_close_matches(wrong.lower().replace("-", "_"), by_folded, n=1, cutoff=0.6)
    return by_folded[close[0]] if close else None
