"""What is requested of a run."""

from __future__ import annotations

from dataclasses import dataclass

ALL = "*"
"""Consent to every adoption."""


@dataclass(frozen=True, kw_only=True)
class RunOptions:
    """What is asked of a run. Without ``deliver`` no target is changed. ``complete``: read everything again.
    ``changes``: how many changes of each sort the report lists for each target; None: all. ``log``: whether the log
    gets the run's one line, which a person who is shown the report can do without. ``adopt``: ids of records to whose
    adoption of an object a person consents; ``ALL`` for all. ``verify``: compare what the targets hold with the links.
    ``directories``: the only ones of which something is delivered; None: all."""

    deliver: bool = True
    complete: bool = False
    changes: int | None = 0
    log: bool = True
    adopt: frozenset[str] = frozenset()
    verify: bool = False
    directories: frozenset[str] | None = None
