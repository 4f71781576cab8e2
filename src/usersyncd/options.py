"""The options of a run."""

from __future__ import annotations

from dataclasses import dataclass

from usersyncd.core.listed_changes import ListedChanges

ALL = "*"
"""In ``adopt``: every record may adopt an object."""


@dataclass(frozen=True, kw_only=True)
class RunOptions:
    """The options of a run.

    ``deliver``: change the targets; False: only plan. ``complete``: read everything, not only the changes. ``changes``:
    which changes the report lists. ``log``: log the run; False when the CLI prints its report. ``adopt``: ids of the
    records that may adopt objects, or ``ALL``. ``verify``: compare the targets with the links. ``directories``: deliver
    only the shares of these directories; None: all shares.
    """

    deliver: bool = True
    complete: bool = False
    changes: ListedChanges = ListedChanges.NONE
    log: bool = True
    adopt: frozenset[str] = frozenset()
    verify: bool = False
    directories: frozenset[str] | None = None
