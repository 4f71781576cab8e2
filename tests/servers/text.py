"""Text that servers and proxies have handled wrongly."""

from __future__ import annotations

PRINTABLE = " " + "".join(map(chr, range(0x21, 0x7F))) + " äß€漢😀 "
"""A password: all printable ASCII, blanks at both ends, and characters of two, three and four bytes."""
