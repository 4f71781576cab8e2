"""Repeats a transaction in whose way another program was: a deadlock, a lock that was waited for, a change in between.

The transaction was rolled back as a whole, so repeating it is harmless.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import tenacity

from usersyncd_sql.faults import is_busy

PATIENCE = 20
"""Seconds after which no further attempt begins."""
PAUSE = tenacity.wait_random_exponential(multiplier=0.1, max=2)


def repeated(work: Callable[[], None]) -> Iterator[None]:
    """Run a transaction until it succeeds, with a random pause between attempts. Raises the error of the last one.

    Yields after each attempt, so that a run that is cancelled ends there.
    """
    for attempt in tenacity.Retrying(
        retry=tenacity.retry_if_exception(is_busy),
        wait=PAUSE,
        stop=tenacity.stop_after_delay(PATIENCE),
        reraise=True,
    ):
        with attempt:
            work()
        yield
