"""Rules that read the time: what they give, and until when that holds."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from tests.core.compiling import compiled, faults, ruleset
from usersyncd.core.model import Constant, Rule
from usersyncd.core.rules import RuleError, TimedShape, compile_rules
from usersyncd.errors import Place
from usersyncd.plugin import Kind

BERLIN = ZoneInfo("Europe/Berlin")
NOON = "2026-03-31T12:00Z"


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).astimezone(UTC)


def timed(rule: str, raw: dict[str, Any] | None = None, now: str = NOON, **more: Any) -> TimedShape:
    rules = compiled({"id": "user.id", "x": rule}, zone=BERLIN, **more)
    return rules.shape_user("1", raw or {}, now=at(now))


def value(rule: str, raw: dict[str, Any] | None = None, now: str = NOON) -> tuple[Any, datetime | None]:
    """What a rule gives, and until when."""
    found = timed(rule, raw, now)
    assert found.shape is not None
    return found.shape["x"], found.until


@pytest.mark.parametrize(
    ("raw", "active", "until"),
    [
        ({}, True, None),
        ({"validUntil": "2026-03-31"}, True, "2026-03-31T22:00Z"),
        ({"validUntil": "2026-03-30"}, False, None),
        ({"validUntil": ["2026-03-31T14:00:00+02:00"]}, False, None),
        ({"validUntil": "2026-03-31T14:00"}, False, None),
        ({"validUntil": "2026-03-31T12:00:00.000001Z"}, True, "2026-03-31T12:00:00.000001Z"),
        ({"validFrom": "2026-03-31"}, True, None),
        ({"validFrom": "2026-04-01"}, False, "2026-03-31T22:00Z"),
        ({"validFrom": NOON, "validUntil": "2026-12-31"}, True, "2026-12-31T23:00Z"),
        ({"validFrom": "2026-04-01", "validUntil": "2026-04-01"}, False, "2026-03-31T22:00Z"),
        ({"validFrom": "2026-05-01", "validUntil": "2026-04-01"}, False, "2026-04-01T22:00Z"),
        ({"validUntil": "2026-12-31", "active": "no"}, False, None),
        ({"validUntil": "9999-12-31"}, True, None),
    ],
)
def test_validity_says_who_is_active_and_until_when(raw: dict[str, Any], active: bool, until: str | None) -> None:
    ends = at(until) if until else None
    for rule in ("user.active", "user.active ? true : false", "default(user.active, false)"):
        assert value(rule, raw) == (active, ends)
    added = compiled({"id": "user.id"}, deactivates=True, zone=BERLIN).shape_user("1", raw, now=at(NOON))
    assert added == TimedShape({"id": "1", "active": active}, ends)


def test_a_rule_that_says_otherwise_is_not_bound_to_the_dates() -> None:
    raw = {"validUntil": "2020-01-01", "enabled": True}
    rules = compiled({"id": "user.id", "active": "user.raw.enabled", "end": "user.validUntil"}, deactivates=True)
    assert rules.shape_user("1", raw, now=at(NOON)).shape == {"id": "1", "active": True, "end": "2020-01-01"}
    assert not rules.reads.time


def test_mapped_dates_count_beside_a_mapped_active() -> None:
    attributes = {"active": 'raw.status == "on"', "validUntil": "raw.contract.end"}
    rules = compiled(where="user.active", attributes=attributes, zone=BERLIN)
    inside = rules.shape_user("1", {"status": "on", "contract": {"end": "2026-03-31"}}, now=at(NOON))
    assert inside.shape is not None
    assert (inside.shape["active"], inside.until) == (True, at("2026-03-31T22:00Z"))
    for outside in ({"status": "off"}, {"status": "on", "contract": {"end": "2026-03-30"}}):
        assert rules.shape_user("1", outside, now=at(NOON)) == TimedShape(None, None)


def test_the_canonical_view_says_who_is_active_at_a_moment() -> None:
    rules = compiled(attributes={"validUntil": "raw.contract.end"}, zone=BERLIN)
    raw = {"contract": {"end": "2026-03-31"}}
    assert rules.canonical(Kind.USER, "1", raw) == {"id": "1", "active": True, "validUntil": "2026-03-31"}
    assert [rules.canonical(Kind.USER, "1", raw, at(day))["active"] for day in (NOON, "2026-04-01T12:00Z")] == [
        True,
        False,
    ]
    with pytest.raises(RuleError, match=r"^active: `raw.contract.end` is not a date"):
        rules.canonical(Kind.USER, "1", {"contract": {"end": "soon"}}, at(NOON))


def test_the_managers_dates_count_for_the_manager() -> None:
    rules = compiled({"id": "user.id", "x": "user.manager.active"}, zone=BERLIN)
    timed = rules.shape_user("1", {"validUntil": "2020-01-01"}, (), ("2", {"validUntil": "2026-03-31"}), now=at(NOON))
    assert timed == TimedShape({"id": "1", "x": True}, at("2026-03-31T22:00Z"))
    assert rules.shape_user("1", {}, now=at(NOON)) == TimedShape({"id": "1", "x": None}, None)


@pytest.mark.parametrize("date", ["31.03.2026", "soon", 1774915200, {"a": 1}])
def test_a_date_that_cannot_be_understood_fails_the_user_by_name(date: Any) -> None:
    rules = compiled({"id": "user.id", "active": "user.active"}, attributes={"validUntil": "end"})
    with pytest.raises(RuleError, match=r"^config\.yaml:12: active: end (is not a date such as|holds a map)") as caught:
        rules.shape_user("1", {"end": date}, now=at(NOON))
    assert str(date) not in str(caught.value)
    assert rules.shape_user("1", {"end": date, "active": False}, now=at(NOON)).shape == {"id": "1", "active": False}


@pytest.mark.parametrize(
    ("rule", "raw", "until"),
    [
        ("timestamp(user.raw.end) > now()", {"end": "2026-04-05T10:00:00Z"}, "2026-04-05T10:00Z"),
        ("now() >= timestamp(user.raw.end)", {"end": "2026-04-05T10:00:00Z"}, "2026-04-05T10:00Z"),
        ("timestamp(user.raw.end) < now()", {"end": "2026-04-05T10:00:00Z"}, "2026-04-05T10:00:00.000001Z"),
        ("timestamp(user.raw.end) < now()", {"end": "2026-03-05T10:00:00Z"}, None),
        ("timestamp(user.raw.end) < now()", {}, None),
        ('user.raw.end == null || timestamp(user.raw.end) > now() ? "in" : "out"', {}, None),
        ('timestamp(user.raw.end) + duration("24h") > now()', {"end": "2026-03-31T10:00:00Z"}, "2026-04-01T10:00Z"),
        ('now() - timestamp(user.raw.end) >= duration("24h")', {"end": "2026-03-31T10:00:00Z"}, "2026-04-01T10:00Z"),
        ('timestamp(user.raw.end) - now() < duration("24h")', {"end": "2026-04-05T10:00:00Z"},
         "2026-04-04T10:00:00.000001Z"),
        ('now() + duration("24h") >= timestamp(user.raw.end)', {"end": "2026-04-05T10:00:00Z"}, "2026-04-04T10:00Z"),
        ('now() - duration("24h") >= timestamp(user.raw.end)', {"end": "2026-04-05T10:00:00Z"}, "2026-04-06T10:00Z"),
        ("now() > timestamp(user.raw.end) && now() < timestamp(user.raw.to)",
         {"end": "2026-03-01T00:00:00Z", "to": "2026-04-02T00:00:00Z"}, "2026-04-02T00:00Z"),
        ("user.raw.end >= today()", {"end": "2026-04-05"}, "2026-04-05T22:00Z"),
        ("today() > user.raw.end", {"end": "2026-04-05"}, "2026-04-05T22:00Z"),
        ("today() > user.raw.end", {"end": "2026-03-05"}, None),
        ("today() == user.raw.end", {"end": "2026-03-31"}, "2026-03-31T22:00Z"),
        ("user.raw.end >= today()", {}, None),
        ("today()", {}, "2026-03-31T22:00Z"),
        ('today().endsWith("31") || user.raw.end >= today()', {"end": "2026-04-05"}, "2026-03-31T22:00Z"),
        ("now()", {}, "2026-03-31T12:15Z"),
        ('now().getHours("Europe/Berlin") >= 9', {}, "2026-03-31T12:15Z"),
        ("user.raw.ends.exists(end, timestamp(end) > now())", {"ends": ["2026-04-05T10:00:00Z"]}, "2026-03-31T12:15Z"),
        ("user.title", {"title": "x"}, None),
    ],
)  # fmt: skip
def test_until_when_a_rule_holds(rule: str, raw: dict[str, Any], until: str | None) -> None:
    before, found = value(rule, raw)
    assert found == (until and at(until))
    if found is not None and before in (True, False) and "get" not in rule and "exists" not in rule:
        tick = timedelta(microseconds=1)
        assert value(rule, raw, (found - tick).isoformat())[0] == before, "it holds to the last moment"
        assert value(rule, raw, found.isoformat())[0] != before or "ends" in rule, "and not beyond"


def test_a_shape_holds_until_the_first_of_its_rules_changes() -> None:
    rules = compiled(
        {"id": "user.id", "a": "timestamp(user.raw.a) > now()", "b": "user.raw.b >= today()", "c": "user.active"},
        zone=BERLIN,
    )
    raw = {"a": "2026-04-01T09:00:00Z", "b": "2026-04-02", "validUntil": "2026-04-03"}
    moments, now = [], at(NOON)
    while (until := rules.shape_user("1", raw, now=now).until) is not None:
        moments.append(until)
        now = until
    assert moments == [at("2026-04-01T09:00Z"), at("2026-04-02T22:00Z"), at("2026-04-03T22:00Z")]


def test_the_shape_of_a_user_that_is_left_out_holds_as_long_as_where_does() -> None:
    rules = compiled({"id": "user.id", "x": "now()"}, where="user.raw.begin <= today()", zone=BERLIN)
    raw = {"begin": "2026-04-05"}
    assert rules.shape_user("1", raw, now=at(NOON)) == TimedShape(None, at("2026-04-04T22:00Z"))
    assert rules.shape_user("1", raw, now=at("2026-04-04T22:00Z")).until == at("2026-04-04T22:15Z")


@pytest.mark.parametrize(
    ("now", "day", "until"),
    [
        ("2026-03-28T22:59:59Z", "2026-03-28", "2026-03-28T23:00Z"),
        ("2026-03-28T23:00Z", "2026-03-29", "2026-03-29T22:00Z"),  # 23 hours
        ("2026-10-25T12:00Z", "2026-10-25", "2026-10-25T23:00Z"),  # 25 hours
    ],
)
def test_today_is_the_day_in_the_time_zone_of_the_target(now: str, day: str, until: str) -> None:
    assert value("today()", now=now) == (day, at(until))


def test_time_in_other_rules_than_those_for_users_is_a_fault() -> None:
    assert faults(set={"id": "user.id"}, attributes={"active": "timestamp(raw.end) > now()"}) == [
        "config.yaml:5:22: attributes.active: only rules for the users of a target can read now()"
    ]
    assert faults(groups=ruleset({"id": "group.id", "x": "today()"})) == [
        "config.yaml:12:1: groups.set.x: only rules for the users of a target can read today()"
    ]


def test_a_leaver_keeps_the_moment_of_leaving() -> None:
    place = Place("config.yaml", 20)
    rules = compile_rules(
        directory="hr",
        mapping={},
        attributes={},
        users=ruleset({"id": "user.id", "off": (None,), "day": (None,), "was": (None,)}),
        groups=ruleset(),
        lookups={},
        deactivates=False,
        leaving={
            "off": Rule("now()", place),
            "day": Rule("today()", place),
            "was": Rule("user.active", place),
            "c": Constant(1, place),
        },
        zone=BERLIN,
    )
    left = rules.leave("1", {"validUntil": "2026-03-31"}, at("2026-03-31T22:30:15.5Z"))
    assert left == {"off": "2026-03-31T22:30:15Z", "day": "2026-04-01", "was": False, "c": 1}
