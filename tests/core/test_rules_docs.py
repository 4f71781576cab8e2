"""docs/rules.md tells the truth: every example in it is evaluated here."""

from __future__ import annotations

import json
import re
from datetime import datetime
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest
import yaml

from usersyncd.core.model import Rule, Ruleset
from usersyncd.core.rules import RuleError, RuleErrors, Rules, compile_rules
from usersyncd.errors import Place
from usersyncd.plugin import CANONICAL, Kind

PAGE = (Path(__file__).parents[2] / "docs" / "rules.md").read_text(encoding="utf-8")
USER: dict[str, Any] = yaml.safe_load(re.search(r"```yaml\n# example user\n(.*?)```", PAGE, re.DOTALL)[1])  # type: ignore[index]


NOW = datetime.fromisoformat(USER["now"])


def rows(*columns: str) -> list[tuple[str, ...]]:
    """The rows of all tables with these columns."""
    found = []
    head = re.escape(f"| {' | '.join(columns)} |\n|{'---|' * len(columns)}\n")
    for table in re.findall(rf"^{head}((?:\|.*\n)+)", PAGE, re.MULTILINE):
        for row in table.splitlines():
            first, *others = re.split(r"(?<!\\)\|", row.strip("|"), maxsplit=len(columns) - 1)
            found.append((first.strip().strip("`").replace("\\|", "|"), *(other.strip() for other in others)))
    assert found, "the page has lost its examples"
    return found


def compiled(text: str) -> Rules:
    users = Ruleset(key="id", set={"id": Rule("user.id", Place("page", 1)), "x": Rule(text, Place("page", 2))})
    return compile_rules(
        directory=USER["directory"],
        mapping={Kind.USER: USER["mapping"]},
        attributes={},
        users=users,
        groups=Ruleset(),
        lookups=USER["lookups"],
        deactivates=False,
        zone=ZoneInfo(USER["timezone"]),
    )


def shape(rules: Rules) -> dict[str, Any]:
    manager = USER["manager"]["id"], USER["manager"]["attributes"]
    shape = rules.shape_user(USER["id"], USER["attributes"], USER["groups"], manager, USER["group_ids"], now=NOW).shape
    assert shape is not None
    return shape


@pytest.mark.parametrize(("text", "value"), rows("expression", "gives"))
def test_examples_give_what_the_page_says(text: str, value: str) -> None:
    given, said = shape(compiled(text))["x"], json.loads(value.strip("`"))
    assert given == said
    assert type(given) is type(said)


@pytest.mark.parametrize(("text", "column", "message"), rows("rule", "column", "message"))
def test_faults_are_reported_as_the_page_says(text: str, column: str, message: str) -> None:
    with pytest.raises(RuleErrors) as caught:
        compiled(text)
    assert [str(fault) for fault in caught.value.faults] == [f"page:2:{column}: users.set.x: {message}"]


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
            Rule(users["where"], Place("page", 1)),
            users["key"],
            {name: Rule(rule, Place("page", 2)) for name, rule in users["set"].items() if isinstance(rule, str)},
        ),
        groups=Ruleset(Rule(target["groups"]["where"], Place("page", 3))),
        lookups={},
        deactivates=False,
    )
    raw = {**USER["attributes"], "mail": "Ada@acme.example"}
    assert rules.shape_user("1", raw, USER["groups"], None, USER["group_ids"], now=NOW).shape == {
        "external_id": "1",
        "email": "ada@acme.example",
        "full_name": "Ada Lovelace",
        "role": "admin",
    }
    assert rules.shape_user("1", USER["attributes"], USER["groups"], None, USER["group_ids"], now=NOW).shape is None
