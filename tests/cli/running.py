"""Running ``usersyncd`` in this process, as the entry point does."""

from __future__ import annotations

import sys
from typing import NamedTuple

import pytest

from usersyncd.cli import main


class Ran(NamedTuple):
    code: int
    out: str
    err: str


class Usersyncd:
    def __init__(self, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
        self._monkeypatch, self._capsys = monkeypatch, capsys

    def __call__(self, *arguments: object) -> Ran:
        self._monkeypatch.setattr(sys, "argv", ["usersyncd", *map(str, arguments)])
        code: object = 0
        try:
            main()
        except SystemExit as ended:
            code = ended.code
        assert isinstance(code, int)
        out, err = self._capsys.readouterr()
        return Ran(code, out, err)
