"""Dates and times of a directory as moments, in the time zone of a target."""

from __future__ import annotations

import re
from collections.abc import Iterable
from datetime import UTC, date, datetime, time, timedelta, tzinfo
from functools import lru_cache

FOREVER = datetime.max.replace(tzinfo=UTC)
"""Any moment after the end of the calendar. Directories write 9999-12-31 for “never”."""

_EARLIEST = datetime.min.replace(tzinfo=UTC)
_DAY = timedelta(days=1)
_TICK = timedelta(microseconds=1)
_DATE = re.compile(r"\d{4}-\d\d-\d\d", re.ASCII)
_TIME = re.compile(r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d(:\d\d([.,]\d+)?)?(Z|[+-]\d\d(:?\d\d)?)?", re.ASCII)
_LDAP_TIME = re.compile(r"(\d{8})(\d{6})([.,]\d+)?(Z|[+-]\d{4})", re.ASCII)
"""GeneralizedTime of LDAP with seconds (RFC 4517, section 3.3.13)."""


@lru_cache(maxsize=8192)
def beginning(text: str, zone: tzinfo) -> datetime:
    """The moment from which something is valid, in UTC: a date counts from its first moment. Raises ValueError."""
    return day_start(_date(text), zone) if _DATE.fullmatch(text) else _moment(text, zone)


@lru_cache(maxsize=8192)
def end(text: str, zone: tzinfo) -> datetime:
    """The moment at which something is not valid any more, in UTC: a date counts to its end. Raises ValueError."""
    return day_end(_date(text), zone) if _DATE.fullmatch(text) else _moment(text, zone)


def day_start(day: date, zone: tzinfo) -> datetime:
    """The first moment of a day, in UTC."""
    midnight = datetime.combine(day, time(), zone)
    start, other = _utc(midnight), _utc(midnight.replace(fold=1))
    # If clocks are set forward over midnight, the day starts at that moment, which is between the two readings.
    while start - other > _TICK:
        middle = other + (start - other) / 2
        if middle.astimezone(zone).date() < day:
            other = middle
        else:
            start = middle
    return start


def day_end(day: date, zone: tzinfo) -> datetime:
    """The first moment after a day, in UTC."""
    return FOREVER if day == date.max else day_start(day + _DAY, zone)


def day_of(moment: datetime, zone: tzinfo) -> date:
    """The day of a moment."""
    return moment.astimezone(zone).date()


def next_quarter(moment: datetime) -> datetime:
    """The next full quarter of an hour (UTC): a full hour begins then in every time zone."""
    return moment.replace(minute=moment.minute // 15 * 15, second=0, microsecond=0) + timedelta(minutes=15)


def after_comparison(operator: str, border: datetime, moment: datetime) -> datetime | None:
    """When ``moment operator border`` changes next as time passes; None: never."""
    if operator in ("_<=_", "_>_") or (operator in ("_==_", "_!=_") and border == moment):
        border += _TICK
    return border if border > moment else None


def after_day_comparison(operator: str, border: str, moment: datetime, zone: tzinfo) -> datetime | None:
    """When ``today operator border`` changes next; None: never. Both are text, and the border need not be a date."""
    try:
        day = _date(border[:10])
    except ValueError:
        return day_end(day_of(moment, zone), zone)
    first, last = day_start(day, zone), day_end(day, zone)
    if len(border) > 10:  # As text, it is greater than its date and less than the next one.
        changes = [last]
    else:
        changes = {"_<_": [first], "_>=_": [first], "_<=_": [last], "_>_": [last]}.get(operator, [first, last])
    return earliest(change for change in changes if change > moment)


def earliest(moments: Iterable[datetime | None]) -> datetime | None:
    """The earliest moment that ever comes; None when there is none."""
    return min((moment for moment in moments if moment is not None and moment != FOREVER), default=None)


def _date(text: str) -> date:
    if not _DATE.fullmatch(text):
        raise ValueError(text)
    return date.fromisoformat(text)


def _moment(text: str, zone: tzinfo) -> datetime:
    if ldap := _LDAP_TIME.fullmatch(text):
        text = f"{ldap[1]}T{ldap[2]}{ldap[3] or ''}{ldap[4]}"
    elif not _TIME.fullmatch(text):
        raise ValueError(text)
    found = datetime.fromisoformat(text)
    return _utc(found if found.tzinfo else found.replace(tzinfo=zone))


def _utc(moment: datetime) -> datetime:
    try:
        return moment.astimezone(UTC)
    except OverflowError:
        return FOREVER if moment.year > 1 else _EARLIEST
