"""The trace of a shape: what each rule read, where it stands, and what it gave."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from tests.core.compiling import compiled
from usersyncd.core.rules import Rules, RuleTrace, ShapeTrace, ValueRead
from usersyncd.errors import Place

NOW = datetime(2026, 3, 31, 12, tzinfo=UTC)
RULES: dict[str, Any] = {
    "id": "user.id",
    "mail": "user.email.lowerAscii()",
    "role": '"ops" in user.groups ? lookup("roles", default(user.title, user.raw.rank)) : "none"',
    "plan": ("basic",),
    "left": "user.raw.end < today()",
}


def rules(**more: Any) -> Rules:
    return compiled(
        RULES,
        "user.active && user.manager != null",
        mapping={"email": "mail", "title": "raw.job.name"},
        lookups={"roles": {"chief": "admin"}},
        **more,
    )


def test_a_trace_has_each_rule_with_its_place_what_it_read_and_what_it_gave() -> None:
    raw = {"mail": "ADA@x", "job": {"name": "chief"}, "end": "2026-04-01", "validUntil": "2026-05-01"}
    trace = rules().trace_user("7", raw, ["ops"], ("1", {}), ["g1"], now=NOW)
    shaped = rules().shape_user("7", raw, ["ops"], ("1", {}), ["g1"], now=NOW)
    assert (trace.shape, trace.until, trace.error) == (shaped.shape, shaped.until, None)
    assert trace.rules == (
        RuleTrace(
            "where",
            "user.active && user.manager != null",
            Place("config.yaml", 9),
            (ValueRead("user.active", True, "active"), ValueRead("user.manager", "1")),
            True,
        ),
        RuleTrace("id", "user.id", Place("config.yaml", 11), (ValueRead("user.id", "7"),), "7"),
        RuleTrace(
            "mail", RULES["mail"], Place("config.yaml", 12), (ValueRead("user.email", "ADA@x", "mail"),), "ada@x"
        ),
        RuleTrace(
            "role",
            RULES["role"],
            Place("config.yaml", 13),
            (
                ValueRead("user.groups", ["ops"]),
                ValueRead("user.title", "chief", "`raw.job.name`"),
                ValueRead("user.raw.rank", None),
            ),
            "admin",
        ),
        RuleTrace("plan", None, Place("config.yaml", 14), (), "basic"),
        RuleTrace(
            "left",
            RULES["left"],
            Place("config.yaml", 15),
            (ValueRead("user.raw.end", "2026-04-01"), ValueRead("today()", "2026-03-31")),
            False,
        ),
    )


def test_the_trace_of_a_user_that_is_left_out_names_the_rule() -> None:
    trace = rules().trace_user("7", {"validUntil": "2026-03-01"}, now=NOW)
    assert (trace.shape, trace.error) == (None, None)
    assert (trace.rules[0].attribute, trace.rules[0].result) == ("where", False)
    assert trace.rules[0].reads[0] == ValueRead("user.active", False, "active")


def test_a_rule_that_fails_is_named_and_the_others_are_there() -> None:
    failing = compiled({"id": "user.id", "n": "1 / user.raw.n", "mail": "user.email"})
    trace = failing.trace_user("7", {"n": 0, "email": "a@x"}, now=NOW)
    assert (trace.shape, trace.error, trace.place) == (None, "n: divide by zero", Place("config.yaml", 12))
    assert [(one.attribute, one.result, one.error) for one in trace.rules] == [
        ("id", "7", None),
        ("n", None, "divide by zero"),
        ("mail", "a@x", None),
    ]


def test_a_mapping_that_fails_is_named() -> None:
    failing = compiled({"id": "user.id", "t": "user.title"}, attributes={"title": "string(1 / raw.n)"})
    assert failing.trace_user("7", {"n": 0}, now=NOW) == ShapeTrace(
        (), None, error="title: divide by zero", place=Place("config.yaml", 5)
    )


def test_without_rules_each_canonical_attribute_is_traced() -> None:
    trace = compiled(mapping={"email": "mail"}).trace_user("7", {"mail": "a@x"}, now=NOW)
    mail = next(one for one in trace.rules if one.attribute == "email")
    assert mail == RuleTrace("email", None, None, (ValueRead("user.email", "a@x", "mail"),), "a@x")
