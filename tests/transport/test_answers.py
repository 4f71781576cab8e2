"""Detection of JSON: a response without valid JSON is requested again."""

from __future__ import annotations

import json

import pytest

from usersyncd.http_client.answers import is_json


@pytest.mark.parametrize(
    "body",
    [
        json.dumps({"value": ["\ud83d", "\ude00 ", "\U0001f600", "\\ud83d", "\\\\\ud83d", "ä"]}).encode(),
        b'"\\ud83d"',
        b'"\\uD83D\\uD83D\\uDE00"',
        b"{}",
    ],
)
def test_json_may_have_a_lone_surrogate(body: bytes) -> None:
    assert is_json(body)


@pytest.mark.parametrize("body", [b"", b'{"a": "\\ud83d"', b'{"a": "\\ud83d', b'"\\ud8', b"<html>", b'{"a": "\\x"}'])
def test_the_beginning_of_a_document_is_not_json(body: bytes) -> None:
    assert not is_json(body)
