"""Texts of other programs are shortened and masked before they are shown."""

from __future__ import annotations

import pytest

from usersyncd.errors import SourceError, TargetError, in_short
from usersyncd.words import QUOTE, masked, quoted

TOKEN = "eyJ0eXAiOiJKV1Qi.eyJhdWQiOiJodHRwcyJ9.c2lnbmF0dXJl"


def test_a_quotation_is_one_line_of_limited_length() -> None:
    assert quoted(" Slow\n\n  down. ") == "Slow down."
    assert quoted("x" * QUOTE) == "x" * QUOTE
    assert quoted("x" * 10_000_000) == "x" * QUOTE + "…"
    assert quoted("x" + " " * 10_000_000 + "y") == "x…"


@pytest.mark.parametrize(
    "text",
    [
        f"Authorization: Bearer {TOKEN}",
        f"you sent {TOKEN}",
        f"token={TOKEN}&scope=x",
        f"https://user:{TOKEN}@host/",
        "x" * (QUOTE - 20) + f" Bearer {TOKEN}",
    ],
)
def test_a_quotation_shows_no_secret(text: str) -> None:
    assert TOKEN[:12] not in quoted(text)
    assert "***" in masked(text)


@pytest.mark.parametrize("error", [SourceError, TargetError])
def test_the_error_of_a_connector_is_shortened(error: type[SourceError | TargetError]) -> None:
    raised = error("no\n  → run this: Bearer " + TOKEN + "y" * 10_000_000, "see\nthere" + "z" * 10_000_000)
    assert raised.message.startswith("no → run this: Bearer ***")
    assert str(raised).count("\n") == 1, "only the remedy begins a line"
    assert len(str(raised)) < 2_100


def test_the_error_of_a_record_keeps_its_remedy() -> None:
    assert in_short("its address is odd\n  → correct it") == "its address is odd\n  → correct it"
    assert len(in_short("x" * 10_000_000 + "\n  → correct it")) < 1_100
