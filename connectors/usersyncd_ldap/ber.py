"""The subset of BER (X.690) for the values of LDAP controls.

Own code, because a syncrepl response has one such value per entry, for which a general codec takes longer than the
entry itself, and because the flags of DirSync need an encoding that general codecs do not produce (see
:func:`integer32`).
"""

from __future__ import annotations

from collections.abc import Iterator

BOOLEAN, INTEGER, OCTETS, ENUMERATED, SEQUENCE = 0x01, 0x02, 0x04, 0x0A, 0x30


def tlv(tag: int, *parts: bytes) -> bytes:
    """One element."""
    content = b"".join(parts)
    size = len(content)
    if size < 0x80:
        return bytes((tag, size)) + content
    length = size.to_bytes((size.bit_length() + 7) // 8, "big")
    return bytes((tag, 0x80 | len(length))) + length + content


def integer(number: int, tag: int = INTEGER) -> bytes:
    """A number, in the minimal number of bytes."""
    return tlv(tag, number.to_bytes(number.bit_length() // 8 + 1, "big", signed=True))


def integer32(number: int) -> bytes:
    """An unsigned number of 32 bits, encoded as the signed one with the same bits, as Active Directory requires for
    flags. It refuses the fifth byte that BER requires (result 12)."""
    return integer(number - 2**32 if number >= 2**31 else number)


def elements(data: bytes) -> Iterator[tuple[int, bytes]]:
    """The consecutive elements in ``data``: tag and content. Raises ValueError when the data is truncated."""
    at = 0
    while at < len(data):
        if at + 2 > len(data):
            raise ValueError("BER: an element is truncated")
        tag, size = data[at], data[at + 1]
        at += 2
        if size & 0x80:
            count = size & 0x7F
            size = int.from_bytes(data[at : at + count], "big")
            at += count
        if at + size > len(data):
            raise ValueError("BER: an element is truncated")
        yield tag, data[at : at + size]
        at += size


def sequence(data: bytes) -> list[tuple[int, bytes]]:
    """The elements of the sequence ``data``. Raises ValueError when it is not one sequence."""
    outer = list(elements(data))
    if len(outer) != 1 or outer[0][0] & 0x20 == 0:
        raise ValueError("BER: not one sequence")
    return list(elements(outer[0][1]))


def number(content: bytes) -> int:
    return int.from_bytes(content, "big", signed=True)
