"""Long lists are written into their document item by item."""

from __future__ import annotations

import json

import pytest

from usersyncd.cli.common import Long, print_json


def test_long_lists_stand_where_they_belong(capfdbinary: pytest.CaptureFixture[bytes]) -> None:
    items = [b'{"a": "items of \\u0000"}', b"[]", '"Zoë"'.encode()]
    print_json({"first": Long(items), "inner": [{"second": Long([]), "x": 1}, {"third": Long(items[:1])}]})
    assert json.loads(capfdbinary.readouterr().out) == {
        "first": [{"a": "items of \0"}, [], "Zoë"],
        "inner": [{"second": [], "x": 1}, {"third": [{"a": "items of \0"}]}],
    }
