"""The daemon reads a lookup file again when it changes."""

from __future__ import annotations

from pathlib import Path

import pytest
from structlog.testing import capture_logs

from tests.system.example import company, configure, edit, query
from tests.system.inside import deliveries, running, until
from usersyncd.daemon import daemon as module

TITLE = "SELECT title FROM users WHERE id = 'u-0005'"
RULE = "    attributes: {title: 'lookup(\"titles\", raw.department)'}\n"
LOOKUPS = "lookups:\n  titles: {file: titles.csv, key: department, value: title}\n"


async def test_a_changed_lookup_file_is_applied_and_a_broken_one_changes_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "LOOKUPS_PAUSE", 0.05)
    company(tmp_path)
    titles = tmp_path / "titles.csv"
    titles.write_text("department,title\nMarketing,Marketeer\n")
    config = configure(tmp_path, {"acme": "1h"})
    edit(config, "    connector: csv\n", f"    connector: csv\n{RULE}")
    config.write_text(config.read_text() + LOOKUPS)
    with capture_logs() as told:
        async with running(config) as daemon:
            await until(lambda: query(tmp_path, TITLE) == [("Marketeer",)] and not daemon.activity.running)
            edit(titles, "Marketing,", ",")
            await until(lambda: any(one["event_name"] == "config.not_reloaded" for one in told))
            assert any(f"{titles}:2:1" in one["event"] for one in told)
            edit(titles, ",Marketeer", "Marketing,Promoter")
            await until(lambda: query(tmp_path, TITLE) == [("Promoter",)] and len(deliveries(daemon)) == 2)
            assert [cause for _, cause in deliveries(daemon)] == ["pull", "reload"]
    changed = [one["files"] for one in told if one["event_name"] == "config.lookup_changed"]
    assert changed == [[str(titles)], [str(titles)]]
    assert sum(one["event_name"] == "config.not_reloaded" for one in told) == 1
