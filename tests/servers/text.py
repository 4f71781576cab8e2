"""Text that servers and what stands before them have stumbled over."""

from __future__ import annotations

PRINTABLE = " " + "".join(map(chr, range(0x21, 0x7F))) + " äß€漢😀 "
"""A password: all printable ASCII, blanks at both ends, and characters of two, three and four bytes."""
