"""docs/rules.md tells the truth: every example in it is evaluated here."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from usersyncd.core.model import Rule, Ruleset
from usersyncd.core.rules import RuleError, RuleErrors, Rules, compile_rules
from usersyncd.plugin import CANONICAL, Kind

PAGE = (Path(__file__).parents[2] / "docs" / "rules.md").read_text(encoding="utf-8")
USER: dict[str, Any] = yaml.safe_load(re.search(r"```yaml\n# example user\n(.*?)```", PAGE, re.DOTALL)[1])  # type: ignore[index]


def rows(first: str, second: str) -> list[tuple[str, str]]:
    """The rows of all tables with these two columns."""
    found = []
    for table in re.findall(rf"^\| {first} \| {second} \|\n\|---\|---\|\n((?:\|.*\n)+)", PAGE, re.MULTILINE):
        for row in table.splitlines():
            left, right = re.split(r"(?<!\\)\|", row.strip("|"), maxsplit=1)
            found.append((left.strip().strip("`").replace("\\|", "|"), right.strip()))
    assert found, "the page has lost its examples"
    return found


def compiled(text: str) -> Rules:
    users = Ruleset(key="id", set={"id": Rule("user.id", "page:1"), "x": Rule(text, "page:2")})
    return compile_rules(
        directory=USER["directory"],
        mapping={Kind.USER: USER["mapping"]},
        attributes={},
        users=users,
        groups=Ruleset(),
        lookups=USER["lookups"],
        deactivates=False,
    )


def shape(rules: Rules) -> dict[str, Any]:
    manager = USER["manager"]["id"], USER["manager"]["attributes"]
    shape = rules.shape_user(USER["id"], USER["attributes"], USER["groups"], manager, USER["group_ids"])
    assert shape is not None
    return shape


@pytest.mark.parametrize(("text", "value"), rows("expression", "gives"))
def test_examples_give_what_the_page_says(text: str, value: str) -> None:
    given, said = shape(compiled(text))["x"], json.loads(value.strip("`"))
    assert given == said
    assert type(given) is type(said)


@pytest.mark.parametrize(("text", "message"), rows("rule", "message"))
def test_mistakes_are_reported_as_the_page_says(text: str, message: str) -> None:
    with pytest.raises(RuleErrors) as caught:
        compiled(text)
    assert [str(fault) for fault in caught.value.faults] == [f"page:2:1: users.set.x: {message}"]


@pytest.mark.parametrize(("text", "reason"), rows("rule", "reason"))
def test_failures_are_reported_as_the_page_says(text: str, reason: str) -> None:
    with pytest.raises(RuleError) as caught:
        shape(compiled(text))
    assert str(caught.value) == f"page:2: x: {reason}"


def test_the_page_names_every_canonical_attribute() -> None:
    for name in (*CANONICAL[Kind.USER], *CANONICAL[Kind.GROUP]):
        assert f"`{name}`" in PAGE


def test_the_rules_at_the_top_of_the_page_work() -> None:
    text = re.search(r"```yaml\n(targets:.*?)```", PAGE, re.DOTALL)
    assert text is not None
    target = yaml.safe_load(text[1])["targets"]["app"]
    users = target["users"]
    rules = compile_rules(
        directory=USER["directory"],
        mapping={Kind.USER: USER["mapping"]},
        attributes={},
        users=Ruleset(
            Rule(users["where"], "page:1"),
            users["key"],
            {name: Rule(rule, "page:2") for name, rule in users["set"].items() if isinstance(rule, str)},
        ),
        groups=Ruleset(Rule(target["groups"]["where"], "page:3")),
        lookups={},
        deactivates=False,
    )
    raw = {**USER["attributes"], "mail": "Ada@acme.example"}
    assert rules.shape_user("1", raw, USER["groups"], None, USER["group_ids"]) == {
        "external_id": "1",
        "email": "ada@acme.example",
        "full_name": "Ada Lovelace",
        "role": "admin",
    }
    assert rules.shape_user("1", USER["attributes"], USER["groups"], None, USER["group_ids"]) is None
