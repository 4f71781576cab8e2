"""The pauses between the attempts to deliver a refused record."""

from __future__ import annotations

from datetime import timedelta

from usersyncd.core.pauses import PAUSES, pause


def test_the_pauses_grow_to_some_hours() -> None:
    pauses = [pause(number) for number in range(1, 20)]
    assert pauses == sorted(pauses)
    assert pauses[0] == timedelta(0)
    assert pauses[-1] == PAUSES[-1] == timedelta(hours=6)
