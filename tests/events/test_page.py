"""docs/events.md is correct: it is followed here from top to bottom."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path

import pytest
import yaml

from tests.pages import ROOT, assert_followed, blocks, followed
from usersyncd.plugin import StreamOptions, Webhook
from usersyncd_events.target import EventsOptions

PAGE = (ROOT / "docs" / "events.md").read_text("utf-8")


def test_the_page_is_correct(tmp_path: Path) -> None:
    shutil.copytree(ROOT / "examples" / "receiver", tmp_path / "examples" / "receiver")
    assert_followed(followed(PAGE, tmp_path, {}), least=17)


def test_the_table_has_every_option() -> None:
    table = PAGE.partition("| option | meaning |\n")[2].partition("\n\n")[0]
    named = {name for line in table.splitlines() for name in re.findall(r"`([\w.]+)`", line.split("|")[1])}
    named = {name.removeprefix("webhooks.NAME.") for name in named}
    assert named >= (set(StreamOptions.model_fields) | set(Webhook.model_fields)) - {"webhooks"}


@pytest.mark.parametrize("number", range(3))
def test_the_examples_are_valid(number: int) -> None:
    examples = [one for one in blocks(PAGE, "yaml") if "connector: events" in one]
    assert len(examples) == 3
    [target] = yaml.safe_load(examples[number])["targets"].values()
    options = EventsOptions.model_validate_json(json.dumps(target["options"]))
    assert options.webhooks
    assert (options.format == "set") == (number == 2)
