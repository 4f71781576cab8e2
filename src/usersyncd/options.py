"""What is asked of a run, and how it says how far it is."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

Watch = Callable[[str, int], None]
"""Is told how a run goes on: the step (``reading``, ``saving``, ``looking`` at a target, ``verifying``, ``planning``,
``planned``, ``delivering``), and how much more of it is done: items read, objects verified, changes planned for a
target, changes delivered to it. A wait, for a provider or for another directory, is told in words, which begin with
``waiting``."""


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
