"""Dates without a time in zones where clocks change, and when a comparison with the time changes."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from usersyncd.core.rules.moments import FOREVER, after_comparison, after_day_comparison, beginning, day_start, end

BERLIN, CAIRO, HAVANA, APIA = map(ZoneInfo, ("Europe/Berlin", "Africa/Cairo", "America/Havana", "Pacific/Apia"))


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).astimezone(UTC)


@pytest.mark.parametrize(
    ("day", "zone", "starts"),
    [
        ("2026-03-31", "UTC", "2026-03-31T00:00Z"),
        ("2026-03-31", "Europe/Berlin", "2026-03-30T22:00Z"),
        ("2026-03-31", "Asia/Kathmandu", "2026-03-30T18:15Z"),
        ("2026-03-31", "America/New_York", "2026-03-31T04:00Z"),
        ("2026-03-29", "Europe/Berlin", "2026-03-28T23:00Z"),  # the day on which summer time begins
        ("2026-03-30", "Europe/Berlin", "2026-03-29T22:00Z"),
        ("2026-10-26", "Europe/Berlin", "2026-10-25T23:00Z"),
        ("2024-04-26", "Africa/Cairo", "2024-04-25T22:00Z"),  # clocks go from 00:00 to 01:00
        ("2021-11-07", "America/Havana", "2021-11-07T04:00Z"),  # clocks go from 01:00 to 00:00: the first counts
        ("2011-12-30", "Pacific/Apia", "2011-12-30T10:00Z"),  # a day that there was not
        ("2011-12-31", "Pacific/Apia", "2011-12-30T10:00Z"),
        ("1919-03-31", "America/Toronto", "1919-03-31T04:30Z"),  # clocks went from 23:30 to 00:30
        ("9999-12-31", "America/New_York", "9999-12-31T05:00Z"),
    ],
)
def test_a_day_starts_with_its_first_moment(day: str, zone: str, starts: str) -> None:
    start = day_start(date.fromisoformat(day), ZoneInfo(zone))
    assert start == at(starts)
    assert (start - timedelta(microseconds=1)).astimezone(ZoneInfo(zone)).date() < date.fromisoformat(day)
    assert start.astimezone(ZoneInfo(zone)).date() >= date.fromisoformat(day)


@pytest.mark.parametrize(
    ("text", "begins", "ends"),
    [
        ("2026-03-31", "2026-03-30T22:00Z", "2026-03-31T22:00Z"),
        ("2026-10-25", "2026-10-24T22:00Z", "2026-10-25T23:00Z"),  # 25 hours
        ("2026-03-31T17:00:00+09:00", "2026-03-31T08:00Z", "2026-03-31T08:00Z"),
        ("2026-03-31T17:00", "2026-03-31T15:00Z", "2026-03-31T15:00Z"),
        ("2026-03-31 17:00:00,5", "2026-03-31T15:00:00.5Z", "2026-03-31T15:00:00.5Z"),
        ("20260331170000Z", "2026-03-31T17:00Z", "2026-03-31T17:00Z"),
        ("20260331170000.0+0200", "2026-03-31T15:00Z", "2026-03-31T15:00Z"),
    ],
)
def test_a_date_counts_from_its_first_moment_to_its_last(text: str, begins: str, ends: str) -> None:
    assert (beginning(text, BERLIN), end(text, BERLIN)) == (at(begins), at(ends))


@pytest.mark.parametrize("text", ["9999-12-31", "9999-12-31T23:59:59-05:00"])
def test_the_last_day_of_the_calendar_means_for_ever(text: str) -> None:
    assert end(text, BERLIN) == FOREVER


@pytest.mark.parametrize("text", ["", "31.03.2026", "2026-02-30", "2026-W14-2", "20260331", "1774915200", "2026-03"])
def test_a_text_that_is_not_a_date_is_refused(text: str) -> None:
    for read in (beginning, end):
        with pytest.raises(ValueError):  # noqa: PT011 - whatever it says
            read(text, BERLIN)


COMPARE = {"_<_": "__lt__", "_<=_": "__le__", "_>_": "__gt__", "_>=_": "__ge__", "_==_": "__eq__", "_!=_": "__ne__"}


def holds(operator: str, left: object, right: object) -> bool:
    return bool(getattr(left, COMPARE[operator])(right))


@pytest.mark.parametrize("operator", COMPARE)
def test_a_comparison_with_now_changes_exactly_at_the_moment_that_is_returned(operator: str) -> None:
    border, tick = at("2026-03-31T17:00Z"), timedelta(microseconds=1)
    moment, steps = border - timedelta(days=3), 0
    while (change := after_comparison(operator, border, moment)) is not None:
        assert holds(operator, change - tick, border) == holds(operator, moment, border)
        moment, steps = change, steps + 1
    assert steps <= 2
    assert holds(operator, moment, border) == holds(operator, moment + timedelta(days=999), border)


@pytest.mark.parametrize("operator", COMPARE)
@pytest.mark.parametrize("border", ["2026-10-25", "2026-10-25T12:00", "2026-10-2", "20261025", "soon", ""])
def test_a_comparison_with_today_keeps_its_value_until_the_moment_that_is_returned(operator: str, border: str) -> None:
    def value(moment: datetime) -> bool:
        return holds(operator, moment.astimezone(BERLIN).date().isoformat(), border)

    hours = [at("2026-10-23T00:30Z") + timedelta(hours=hour) for hour in range(120)]
    for index, moment in enumerate(hours):
        change = after_day_comparison(operator, border, moment, BERLIN)
        before = [value(hour) for hour in hours[index:] if change is None or hour < change]
        assert set(before) == {value(moment)}
        if border == "2026-10-25" and change is not None and operator not in ("_==_", "_!=_"):
            assert value(change) != value(moment)
