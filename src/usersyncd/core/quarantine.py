"""When a target that refuses most changes is tried with a few of them first."""

from __future__ import annotations

LEAST = 50
"""Changes of a delivery below which refusals say nothing about the target."""
MOST = 0.4
"""The part of the changes that a target may refuse before it is quarantined."""
PROBE = 5
"""Changes that a quarantined target gets first. If it refuses all of them, the delivery ends."""


def refuses_most(sent: int, refused: int) -> bool:
    """Whether a target refused so much of a delivery that something is wrong with the target, not with the records."""
    return sent >= LEAST and refused >= MOST * sent
