"""How values are written in the columns of the state database."""

from __future__ import annotations

import msgspec

from usersyncd.plugin import Kind, Value

NUMBER = {Kind.USER: 0, Kind.GROUP: 1}
"""The number of each kind."""
KIND = {number: kind for kind, number in NUMBER.items()}

decode = msgspec.json.Decoder(dict[str, Value]).decode
"""The attributes of a record from their JSON."""
