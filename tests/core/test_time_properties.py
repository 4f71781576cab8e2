"""A shape is the same at every moment before its ``until``, whatever rules and dates there are."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

from hypothesis import example, given, settings
from hypothesis import strategies as st

from tests.core.compiling import compiled
from usersyncd.core.rules import RuleError, RuleErrors

START = datetime(2026, 3, 20, tzinfo=UTC)
DAYS = 30
"""Everything happens within these: summer time begins in Berlin on the 29th, and in Cairo on 24 April."""

zones = st.sampled_from(["UTC", "Europe/Berlin", "Africa/Cairo", "Asia/Kathmandu", "America/New_York"]).map(ZoneInfo)
minutes = st.integers(0, DAYS * 24 * 60).map(lambda minute: START + timedelta(minutes=minute))
times = minutes.map(lambda moment: moment.isoformat().replace("+00:00", "Z"))
days = minutes.map(lambda moment: moment.date().isoformat())
dates = st.fixed_dictionaries(
    {
        "validFrom": st.none() | days | times,
        "validUntil": st.none() | days | times,
        "t1": st.none() | times,
        "t2": times,
        "d1": st.none() | days,
        "d2": days | times,
    }
)
operators = st.sampled_from(["<", "<=", ">", ">=", "==", "!="])
stamps = st.sampled_from(["timestamp(user.raw.t1)", "timestamp(user.raw.t2)"])
durations = st.sampled_from(['duration("36h")', 'duration("90m")'])


def joined(pattern: str, *parts: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    return st.tuples(*parts).map(lambda drawn: pattern.format(*drawn))


comparisons = (
    joined("now() {} {}", operators, stamps)
    | joined("{} {} now()", stamps, operators)
    | joined("{} + {} {} now()", stamps, durations, operators)
    | joined("now() - {} {} {}", stamps, operators, durations)
    | joined("{} - now() {} {}", stamps, operators, durations)
    | joined("now() + {} {} {}", durations, operators, stamps)
    | joined("today() {} {}", operators, st.sampled_from(["user.raw.d1", "user.raw.d2"]))
    | joined("{} {} today()", st.sampled_from(["user.raw.d1", "user.raw.d2"]), operators)
    | st.sampled_from(["user.active", 'now().getHours("Asia/Kolkata") > 8', 'today().endsWith("1")'])
)
conditions = st.recursive(
    comparisons,
    lambda inner: (
        joined("({} && {})", inner, inner)
        | joined("({} || {})", inner, inner)
        | joined("!({})", inner)
        | joined("({} ? {} : {})", inner, inner, inner)
    ),
    max_leaves=4,
)


@example(  # a comparison beside another use
    '!(now().getHours("Asia/Kolkata") > 8) && now() < timestamp(user.raw.t2)', "user.active",
    dict.fromkeys(("validFrom", "validUntil", "t1", "d1", "d2")) | {"t2": "2026-03-20T00:01:00Z"},
    ZoneInfo("UTC"), datetime(2026, 3, 20, tzinfo=UTC), [],
)  # fmt: skip
@example(  # an hour that begins at half past in UTC
    'now().getHours("Asia/Kolkata") > 8', "user.active",
    dict.fromkeys(("validFrom", "validUntil", "t1", "t2", "d1", "d2")), ZoneInfo("UTC"),
    datetime(2026, 3, 20, 3, tzinfo=UTC), [0.9],
)  # fmt: skip
@settings(max_examples=50, deadline=None)
@given(conditions, conditions, dates, zones, minutes, st.lists(st.floats(0, 1, exclude_max=True), max_size=4))
def test_nothing_changes_before_until(
    where: str, rule: str, raw: dict[str, str | None], zone: ZoneInfo, now: datetime, parts: list[float]
) -> None:
    try:
        rules = compiled({"id": "user.id", "x": rule}, where, zone=zone)
    except RuleErrors as error:
        assert "nested too deeply" in str(error)  # noqa: PT017 - a deep rule becomes deeper
        return
    try:
        first = rules.shape_user("1", raw, now=now)
    except RuleError:
        return  # Where t1 is missing, only the duration is left of a sum.
    end = first.until or START + timedelta(days=2 * DAYS)
    assert end > now or first.until is None
    before = [now + (end - now) * part for part in parts] + [end - timedelta(microseconds=1)]
    for moment in before:
        if now <= moment < end:
            assert rules.shape_user("1", raw, now=moment).shape == first.shape, moment
