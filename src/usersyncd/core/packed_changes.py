"""Very many changes in little memory: a plan for 100,000 people has some 80 MB of JSON, and packed a tenth of that."""

from __future__ import annotations

import zlib
from collections.abc import Iterable, Iterator

import msgspec

from usersyncd.plugin import Change

TOGETHER = 1 << 18
"""About so many bytes are packed together."""


class PackedChanges:
    """Changes, each as a line of JSON without its end. It can be read again and again."""

    def __init__(self, changes: Iterable[Change] = ()) -> None:
        self._packed: list[bytes] = []
        self._last = bytearray()
        for change in changes:
            self._add(msgspec.json.encode(change))

    def __bool__(self) -> bool:
        return bool(self._packed or self._last)

    def __iter__(self) -> Iterator[bytes]:
        for packed in self._packed:
            yield from zlib.decompress(packed).splitlines()
        yield from bytes(self._last).splitlines()

    def _add(self, line: bytes) -> None:
        self._last += line + b"\n"
        if len(self._last) > TOGETHER:
            self._packed.append(zlib.compress(self._last, level=1))
            self._last.clear()
