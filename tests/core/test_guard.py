"""Limits are passed by what a plan does, in percent of what is held or as a number."""

from __future__ import annotations

import pytest

from usersyncd.core.guard import Holdings, passed
from usersyncd.core.model import Guard, Limit
from usersyncd.core.report import Counts, Passed

HOLDINGS = Holdings(active=80, users=90, groups=10, memberships=1000)


@pytest.mark.parametrize(
    ("limit", "adoptions", "found"),
    [
        (Limit(10, True), 10, []),
        (Limit(10, True), 11, [Passed("adoptions", "10%", "11% (11 of 100)")]),
        (Limit(12, False), 12, []),
        (Limit(12, False), 13, [Passed("adoptions", "12", "13% (13 of 100)")]),
        (Limit(0, True), 9, []),
        (Limit(0, True), 10, [Passed("adoptions", "0%", "10% (10 of 100)")]),
    ],
)
def test_adoptions_are_held_against_users_and_groups_together(
    limit: Limit, adoptions: int, found: list[Passed]
) -> None:
    assert passed(Guard(adoptions=limit), Counts(), HOLDINGS, adoptions) == found


def test_only_the_adoptions_that_count_do() -> None:
    counts = Counts()
    counts.users.adopt = 50
    assert passed(Guard(), counts, HOLDINGS, adoptions=0) == []
