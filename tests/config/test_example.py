"""config.example.yaml runs unchanged, and contains every key."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from usersyncd.config import load
from usersyncd.config.schema import json_schema

EXAMPLE = Path(__file__).parents[2] / "config.example.yaml"


def test_the_example_is_valid() -> None:
    config = load(EXAMPLE)
    assert list(config.directories) == ["acme"]
    assert config.directories["acme"].every.total_seconds() == 15
    assert config.state.url == f"sqlite:///{EXAMPLE.parent}/var/state.db"
    assert config.targets["app"].options.model_dump()["url"] == "sqlite:///var/app.db"


def test_every_part_that_is_switched_off_is_valid_too(tmp_path: Path) -> None:
    pytest.importorskip("ldap", reason="the extra ldap is not installed")
    pytest.importorskip("googleapiclient", reason="the extra google is not installed")
    lines = EXAMPLE.read_text("utf-8").splitlines()
    whole = EXAMPLE.with_name("config.whole.yaml").name
    file = tmp_path / whole
    file.write_text(
        "\n".join(re.sub(r"^#(?= {2,}\S|\S)", "", line) for line in lines).replace(
            "examples/", f"{EXAMPLE.parent}/examples/"
        )
    )
    config = load(file)
    assert list(config.directories) == ["acme", "corp", "cloud", "workspace"]
    assert set(config.lookups) == {"countries", "titles"}


def keys(schema: dict[str, Any], definitions: dict[str, Any], ours: set[str]) -> Iterator[str]:
    for name in ours:
        yield from definitions[name].get("properties", {})
    yield from schema["properties"]


@pytest.mark.parametrize("connector", ["source.csv", "source.entra", "source.google", "source.ldap", "target.sql"])
def test_every_option_of_the_built_in_connectors_is_in_the_example(connector: str) -> None:
    text = EXAMPLE.read_text("utf-8")
    definitions = json_schema()["$defs"]
    if connector not in definitions:
        pytest.skip("its extra is not installed")
    for name in definitions[connector]["properties"]:
        assert re.search(rf"\b{name}:", text), name


def test_every_key_is_in_the_example() -> None:
    schema = json_schema()
    ours = {name for name in schema["$defs"] if "." not in name}
    text = EXAMPLE.read_text("utf-8")
    missing = [key for key in keys(schema, schema["$defs"], ours) if not re.search(rf"\b{key}:", text)]
    assert missing == []
