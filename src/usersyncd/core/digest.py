"""Short digests, to recognize what did not change without reading it.

They are XXH3 with 64 bits: two different records have equal digests about once in 10¹⁹ comparisons.
"""

from __future__ import annotations

import sys
from array import array
from collections.abc import Iterable

import msgspec
from xxhash import xxh3_64_digest

encode = msgspec.json.Encoder(order="deterministic").encode
"""Encodes a value as JSON. Equal values give equal bytes, also if their keys have another order."""


def digest(data: bytes) -> int:
    """The digest of some bytes, as a signed 64-bit number (what databases hold)."""
    return int.from_bytes(xxh3_64_digest(data), "little", signed=True)


def digests(texts: Iterable[str]) -> array[int]:
    """The digests of many texts, in their order."""
    return digests_of_bytes([text.encode() for text in texts])


def digests_of_bytes(data: Iterable[bytes]) -> array[int]:
    """The digests of many byte strings, in their order."""
    numbers = array("q")
    numbers.frombytes(b"".join(map(xxh3_64_digest, data)))
    if sys.byteorder == "big":
        numbers.byteswap()
    return numbers


def name(token: str) -> int:
    """The digest of an id or handle, which stands for it as a number."""
    return digest(token.encode())


def names(tokens: Iterable[str]) -> array[int]:
    """The numbers of many ids or handles, in their order."""
    return digests(tokens)


def names_digest(numbers: Iterable[int]) -> int:
    """The digest of a set of names: the same in any order, and additive over pieces of the set."""
    return wrapped(sum(numbers))


def wrapped(number: int) -> int:
    """A number modulo 2⁶⁴, signed."""
    return (number + 2**63) % 2**64 - 2**63


def pack(numbers: array[int]) -> bytes:
    """An array as bytes, in the same byte order on every machine."""
    if sys.byteorder == "big":
        numbers = numbers[:]
        numbers.byteswap()
    return numbers.tobytes()


def unpack(typecode: str, data: bytes | None) -> array[int]:
    """The inverse of pack; ``typecode`` is ``q`` for names, ``I`` for refs."""
    numbers = array(typecode)
    numbers.frombytes(data or b"")
    if sys.byteorder == "big":
        numbers.byteswap()
    return numbers
