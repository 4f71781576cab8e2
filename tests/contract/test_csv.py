"""The csv connector fulfils the contract of a source."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from usersyncd.testing import SourceContract
from usersyncd_csv import CsvSource


class TestCsv(SourceContract):
    source = CsvSource

    @pytest.fixture
    def options(self, tmp_path: Path) -> Mapping[str, Any]:
        (tmp_path / "users.csv").write_text(
            "id,userName,email,active,manager,validUntil,shoeSize\n"
            "1,ada,ada@acme.example,true,,,38\n"
            "2,boris,boris@acme.example,false,1,2026-03-31,\n"
            "3,李,li@acme.example,,1,,44\n"
        )
        (tmp_path / "groups.csv").write_text("id,displayName,floor\n1,everyone,\n2,Στάφ,3\n3,nobody,\n")
        (tmp_path / "members.csv").write_text("group_id,member_id,member_kind\n1,2,group\n1,1,user\n2,2,\n2,3,user\n")
        return {"users": "users.csv", "groups": "groups.csv", "members": "members.csv"}

    @pytest.fixture
    def break_directory(self, tmp_path: Path) -> Callable[[], object]:
        return (tmp_path / "members.csv").unlink

    @pytest.fixture
    def counts(self) -> tuple[int, int, int]:
        return 3, 3, 4


class TestUsersOnly(TestCsv):
    @pytest.fixture
    def options(self, tmp_path: Path) -> Mapping[str, Any]:
        (tmp_path / "users.csv").write_text("id\n1\n2\n")
        return {"users": "users.csv"}

    @pytest.fixture
    def break_directory(self, tmp_path: Path) -> Callable[[], object]:
        return lambda: (tmp_path / "users.csv").write_text("id\n1\n1\n")

    @pytest.fixture
    def counts(self) -> tuple[int, int, int]:
        return 2, 0, 0
