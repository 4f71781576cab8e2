"""Listed changes come out as they went in, and take little memory meanwhile."""

from __future__ import annotations

import tracemalloc

import msgspec

from usersyncd.core.packed_changes import TOGETHER, PackedChanges
from usersyncd.plugin import Change, Kind, Member, Op, Value

ODD = 'a\nb\r\n"\u2028\x85\0'


def change(number: int) -> Change:
    shape: dict[str, Value] = {"id": f"u{number}", "name": f"Zoë {number} {ODD}", "department": f"Dept {number % 50}"}
    return Change(Op.CREATE, Kind.USER, "acme", f"u{number}", f"u{number}", None, shape)


def test_changes_come_out_as_they_went_in_again_and_again() -> None:
    added = Change(Op.ADD, Kind.GROUP, "acme", ODD, 7, members=(Member(Kind.USER, "u1", ODD),))
    changes = [change(number) for number in range(3_000)] + [added]
    assert sum(len(msgspec.json.encode(one)) for one in changes) > 2 * TOGETHER
    listing = PackedChanges(changes)
    for _ in range(2):
        assert [msgspec.json.decode(line, type=Change) for line in listing] == changes


def test_nothing_is_a_list_too() -> None:
    assert not PackedChanges()
    assert list(PackedChanges()) == []
    assert PackedChanges([change(1)])


def test_many_changes_take_little_memory() -> None:
    tracemalloc.start()
    try:
        listing = PackedChanges(change(number) for number in range(20_000))
        held, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert held < sum(map(len, listing)) / 4
