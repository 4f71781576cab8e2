"""The contract of a target, and what only this connector does."""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import Callable, Mapping
from pathlib import Path
from stat import S_ISDIR
from typing import Any

import pytest
from usersyncd.errors import TargetError
from usersyncd.plugin import Change, Kind, Op, Outcome
from usersyncd.testing import Contents, TargetContract, target_context

from usersyncd_jsonfile.target import JsonFileOptions, JsonFileTarget


class TestContract(TargetContract):
    target = JsonFileTarget

    @pytest.fixture
    def options(self) -> Mapping[str, Any]:
        return {"path": "people.json"}

    @pytest.fixture
    def other_options(self) -> Mapping[str, Any]:
        return {"path": "others.json"}

    @pytest.fixture
    def contents(self, folder: Path) -> Callable[[], Contents]:
        def read() -> Contents:
            document = json.loads((folder / "people.json").read_text())
            entries = document["entries"]
            shapes = {
                kind: {entry["key"]: entry["attributes"] for entry in entries.values() if entry["kind"] == kind}
                for kind in Kind
            }
            edges = {(entries[group]["key"], entries[member]["key"]) for group, member in document["members"]}
            return Contents(shapes[Kind.USER], shapes[Kind.GROUP], edges)

        return read

    @pytest.fixture
    def refused(self) -> dict[str, Any]:
        return {"title": "half a character: \ud800"}

    @pytest.fixture
    def break_target(self, folder: Path) -> Callable[[], object]:
        return lambda: (folder / "people.json").write_text("{")


def deliver(folder: Path, *changes: Change) -> list[Outcome]:
    async def collect() -> list[Outcome]:
        target = JsonFileTarget(JsonFileOptions(path="people.json"), target_context(folder))
        return [outcome async for outcome in target.deliver(changes)]

    return asyncio.run(collect())


def create(id: str) -> Change:
    return Change(Op.CREATE, Kind.USER, "directory", id, id, None, {"id": id, "title": None})


def test_the_file_is_replaced_and_never_half_written(tmp_path: Path) -> None:
    deliver(tmp_path, create("u1"))
    file = tmp_path / "people.json"
    with file.open() as reader:
        deliver(tmp_path, create("u2"))
        assert len(json.load(reader)["entries"]) == 1
    assert len(json.loads(file.read_text())["entries"]) == 2
    assert list(tmp_path.iterdir()) == [file]


def test_what_was_acknowledged_survives_a_power_loss(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The file is synced before it is renamed, and its folder after that."""
    written: list[tuple[bool, bool]] = []

    def fsync(opened: int) -> None:
        written.append((S_ISDIR(os.fstat(opened).st_mode), (tmp_path / "people.json").exists()))

    monkeypatch.setattr(os, "fsync", fsync)
    deliver(tmp_path, create("u1"))
    assert written == [(False, False), (True, True)]


def test_a_folder_that_does_not_exist_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(TargetError, match=r"people\.json cannot be written"):
        deliver(tmp_path / "missing", create("u1"))
