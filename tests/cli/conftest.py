from __future__ import annotations

from pathlib import Path

import pytest

from tests.cli.company import Company
from tests.cli.running import Usersyncd
from tests.config.plugins import acme

__all__ = ["acme"]


@pytest.fixture
def usersyncd(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> Usersyncd:
    """The command line, in an empty folder."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("USERSYNCD_CONFIG", raising=False)
    monkeypatch.setenv("COLUMNS", "200")
    return Usersyncd(monkeypatch, capsys)


@pytest.fixture
def company(tmp_path: Path) -> Company:
    """The example company in the current folder."""
    return Company(tmp_path)
