"""The tests that sources and targets have in common."""
# ruff: noqa: S101 - tests are made of asserts

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from pydantic import BaseModel, ValidationError

from usersyncd.testing.contexts import Log
from usersyncd.testing.inspection import imported_of_usersyncd


class ConnectorContract:
    """Tests of a connector's options and imports."""

    def _connector(self) -> Any:
        """The class under test."""
        raise NotImplementedError

    @pytest.fixture
    def folder(self, tmp_path: Path) -> Path:
        """The folder of the configuration file: relative paths in options are relative to it."""
        return tmp_path

    @pytest.fixture
    def log(self) -> Log:
        return Log()

    def test_options_refuse_an_unknown_key(self, options: Mapping[str, Any]) -> None:
        assert issubclass(self._connector().Options, BaseModel)
        with pytest.raises(ValidationError, match="no_such_option"):
            self._connector().Options.model_validate({**options, "no_such_option": 1})

    def test_options_document_themselves(self) -> None:
        schema = self._connector().Options.model_json_schema()
        assert schema.get("description"), "give the Options class a docstring"
        bare = [name for name, option in schema.get("properties", {}).items() if not option.get("description")]
        assert not bare, "give each option a Field(description=…)"

    def test_imports_only_the_plugin_contract(self) -> None:
        """A connector uses only these two modules and its context: all other modules may change at any time."""
        assert imported_of_usersyncd(self._connector()) <= {"usersyncd.plugin", "usersyncd.errors"}
