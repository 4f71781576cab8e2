"""A set of numbers that uses one bit for each number."""

from __future__ import annotations

from collections.abc import Sequence


class BitSet:
    """A set of refs. Refs are dense, so one bit for each number up to the largest ref needs less memory than a set."""

    def __init__(self) -> None:
        self._bits = bytearray()
        self.count = 0

    def update(self, numbers: Sequence[int]) -> None:
        """Add these numbers."""
        bits, added = self._bits, 0
        if numbers and (missing := (max(numbers) >> 3) - len(bits)) >= 0:
            bits.extend(bytes(missing + 4096))
        for number in numbers:
            byte, mask = number >> 3, 1 << (number & 7)
            if not bits[byte] & mask:
                bits[byte] |= mask
                added += 1
        self.count += added

    def discard(self, number: int) -> None:
        if number in self:
            self._bits[number >> 3] &= ~(1 << (number & 7)) & 0xFF
            self.count -= 1

    def __contains__(self, number: int) -> bool:
        byte = number >> 3
        return byte < len(self._bits) and bool(self._bits[byte] & 1 << (number & 7))
