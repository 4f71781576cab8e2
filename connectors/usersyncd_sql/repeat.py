"""Retries a transaction that failed because of another program: a deadlock, a lock timeout, a concurrent change.

The transaction was rolled back as a whole, so a retry is harmless.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import tenacity

from usersyncd_sql.faults import is_busy

PATIENCE = 20
"""Seconds after which no new attempt starts."""
PAUSE = tenacity.wait_random_exponential(multiplier=0.1, max=2)


def repeated(work: Callable[[], None]) -> Iterator[None]:
    """Run a transaction until it succeeds, with a random pause between attempts. Raises the error of the last one.

    Yields after each attempt, so that a cancelled run ends there.
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
