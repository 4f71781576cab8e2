"""A set of numbers that uses one bit for each number."""

from __future__ import annotations


class BitSet:
    """A set of refs. Refs are dense, so one bit for each number up to the largest ref needs less memory than a set."""

    def __init__(self) -> None:
        self._bits = bytearray()
        self.count = 0

    def add(self, number: int) -> None:
        byte, mask = number >> 3, 1 << (number & 7)
        if byte >= len(self._bits):
            self._bits.extend(bytes(byte - len(self._bits) + 4096))
        if not self._bits[byte] & mask:
            self._bits[byte] |= mask
            self.count += 1

    def discard(self, number: int) -> None:
        if number in self:
            self._bits[number >> 3] &= ~(1 << (number & 7)) & 0xFF
            self.count -= 1

    def __contains__(self, number: int) -> bool:
        byte = number >> 3
        return byte < len(self._bits) and bool(self._bits[byte] & 1 << (number & 7))
