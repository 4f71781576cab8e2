"""What is requested of a run."""

from __future__ import annotations

from dataclasses import dataclass

from usersyncd.core.plan import ListedChanges

ALL = "*"
"""In ``adopt``: every record may adopt an object."""


@dataclass(frozen=True, kw_only=True)
class RunOptions:
    """What a caller requests of a run.

    ``deliver`` False: only plan, and change no target. ``complete``: read the directories from the start. ``changes``:
    the changes that the report lists. ``log`` False: do not log the run, because the CLI prints its report. ``adopt``:
    ids of the records that may adopt objects, or ``ALL``. ``verify``: compare the targets with the links.
    ``directories``: deliver the shares of these only; None: all.
    """

    deliver: bool = True
    complete: bool = False
    changes: ListedChanges = ListedChanges.NONE
    log: bool = True
    adopt: frozenset[str] = frozenset()
    verify: bool = False
    directories: frozenset[str] | None = None
