"""How far servers are, compared: by the counts of each server that makes changes."""

from __future__ import annotations

import pytest

pytest.importorskip("ldap", reason="python-ldap is not installed (the extra ldap)")

from usersyncd_ldap.position import Position
from usersyncd_ldap.replicas import csns, up_to_date

ONE, TWO = "000", "001"


def at(url: str, identity: str = "", **counts: str) -> Position:
    return Position(url, identity, {"dc=acme": counts})


@pytest.mark.parametrize(
    ("here", "is_before"),
    [
        (at("b", one="5", two="7"), False),
        (at("b", one="6", two="9", three="1"), False),
        (at("b", one="4", two="9"), True),
        (at("b", one="9"), True),
        (at("a", one="4", two="7"), False),  # the same one: it was restored
        (at("a", "another controller of one name", one="4", two="7"), True),
        (Position("b", "", {"dc=other": {"one": "1"}}), False),
    ],
)
def test_positions_say_which_server_is_behind(here: Position, is_before: bool) -> None:
    assert here.is_before(at("a", one="5", two="7")) is is_before


def test_a_position_that_covers_only_its_own_server_is_comparable_with_itself_only() -> None:
    one, two = (Position("a", own, {"dc=acme": {own: "5"}}) for own in ("one", "two"))
    assert one.comparable_with(one)
    assert not one.comparable_with(two)
    assert Position("a", "one", {"dc=acme": {"one": "5", "two": "4"}}).comparable_with(two)
    assert at("b", one="5").comparable_with(at("a", two="5")), "a server without an identity tells of all"
    assert not at("b", one="5").comparable_with(Position("a", "", {"dc=other": {"one": "5"}}))


def test_merged_positions_keep_the_counts_of_both() -> None:
    assert at("b", one="6").merged_with(at("a", one="5", two="7")) == at("b", one="6", two="7")


def test_csns_are_parsed_by_server() -> None:
    texts = ["20260101000000.000001Z#000000#000#000000", "20260102000000.000001Z#000000#001#000000"]
    assert csns(texts) == {ONE: texts[0], TWO: texts[1]}


SAMBAS = "02000000 00000000 01000000 00000000  935b8b7f29b6794497a636d0452788c8 6712000000000000 0000000000000000"
"""A replUpToDateVectorBlob with one cursor, as Samba's own Python packs it."""


def test_the_up_to_dateness_vector_is_parsed() -> None:
    """MS-DRSR: UPTODATE_VECTOR_V2_EXT, and V1, whose cursors have no time."""
    vector = bytes.fromhex(SAMBAS)
    counts = {"7f8b5b93-b629-4479-97a6-36d0452788c8": f"{4711:020}"}
    assert up_to_date(vector) == counts
    assert up_to_date(b"\1" + vector[1:-8]) == counts
