"""Step five, guard: may this plan be delivered, or is it held until a person has looked at it?"""

from __future__ import annotations

from usersyncd.core.guard import passed
from usersyncd.core.report import Counts, Passed
from usersyncd.job import Delivery
from usersyncd.state import delivered
from usersyncd.state.database import Database
from usersyncd.state.directories import Reading


def guard(database: Database, reading: Reading, delivery: Delivery, counts: Counts) -> list[Passed]:
    """The limits that a plan with these counts passes. One is enough for it to be held. Raises StateError."""
    limits = delivery.target.guard
    harm = counts.users.delete, counts.groups.delete, counts.users.deactivate, counts.memberships.remove
    if max(harm) < max(limits.at_least, 1):
        return []  # What the target holds need not be counted.
    return passed(limits, counts, delivered.holdings(database, reading.id, delivery.target.name))
