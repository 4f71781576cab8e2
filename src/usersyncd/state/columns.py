"""Converts values to and from the columns of the state database."""

from __future__ import annotations

import msgspec

from usersyncd.plugin import Kind, Value

NUMBER = {Kind.USER: 0, Kind.GROUP: 1}
"""The number that stands for each kind in a column."""
KIND = {number: kind for kind, number in NUMBER.items()}
"""The kind for each number."""

decode = msgspec.json.Decoder(dict[str, Value]).decode
"""Decodes the attributes of a record from JSON."""
