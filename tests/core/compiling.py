"""Compiling rules from texts, for tests: each text gets a line of ``config.yaml``."""

from __future__ import annotations

from datetime import UTC, datetime, tzinfo
from typing import Any

import pytest

from usersyncd.core.model import Constant, Rule, Ruleset
from usersyncd.core.rules import RuleErrors, Rules, compile_rules
from usersyncd.errors import Place
from usersyncd.plugin import Kind

NOW = datetime(2026, 11, 27, 12, 30, tzinfo=UTC)

USER, GROUP = Kind.USER, Kind.GROUP
Set = dict[str, Any]


def ruleset(set: Set | None = None, where: str | None = None, key: str | None = None) -> Ruleset:  # noqa: A002
    """Rules from texts; the first of ``set`` stands in line 11, the next in line 12."""
    rules = {
        name: Rule(rule, Place("config.yaml", line))
        if isinstance(rule, str)
        else Constant(rule[0], Place("config.yaml", line))
        for line, (name, rule) in enumerate((set or {}).items(), 11)
    }
    return Ruleset(
        Rule(where, Place("config.yaml", 9)) if where else None, key or next(iter(rules), None), rules or None
    )


def compiled(
    set: Set | None = None,  # noqa: A002
    where: str | None = None,
    *,
    key: str | None = None,
    groups: Ruleset | None = None,
    mapping: dict[str, str] | None = None,
    group_mapping: dict[str, str] | None = None,
    attributes: dict[str, str] | None = None,
    lookups: dict[str, dict[str, str]] | None = None,
    deactivates: bool = False,
    directory: str = "hr",
    zone: tzinfo = UTC,
) -> Rules:
    return compile_rules(
        directory=directory,
        mapping={USER: mapping or {}, GROUP: group_mapping or {}},
        attributes={USER: {name: Rule(text, Place("config.yaml", 5)) for name, text in (attributes or {}).items()}},
        users=ruleset(set, where, key),
        groups=groups or Ruleset(),
        lookups=lookups or {},
        deactivates=deactivates,
        zone=zone,
    )


def result(text: str, raw: dict[str, Any] | None = None, **more: Any) -> Any:
    """What one expression gives for a user."""
    groups, manager = more.pop("in_groups", []), more.pop("manager", None)
    shape = compiled({"key": "user.id", "x": text}, **more).shape_user("1", raw or {}, groups, manager, now=NOW).shape
    assert shape is not None
    return shape["x"]


def faults(**rules: Any) -> list[str]:
    with pytest.raises(RuleErrors) as caught:
        compiled(**rules)
    return [str(fault) for fault in caught.value.faults]
