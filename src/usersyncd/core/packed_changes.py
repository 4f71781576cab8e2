"""Compresses the changes of a plan: for 100,000 people they are some 80 MB of JSON, and compressed a tenth of that."""

from __future__ import annotations

import zlib
from collections.abc import Iterable, Iterator

import msgspec

from usersyncd.plugin import Change

TOGETHER = 1 << 18
"""About how many bytes are compressed together."""


class PackedChanges:
    """Compressed changes. Iterating yields each as JSON, any number of times."""

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
