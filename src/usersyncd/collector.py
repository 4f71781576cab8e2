"""Python's garbage collector, as it suits a run."""

from __future__ import annotations

import gc


def set_aside() -> None:
    """Call this once, when all is imported and nothing runs yet. A run makes and drops millions of small objects
    without cycles: looking for those as often as usual, and among all that stays for good, is slow (an eighth of a
    re-read in which nothing changed)."""
    gc.set_threshold(10_000, 10, 10)
    gc.freeze()
