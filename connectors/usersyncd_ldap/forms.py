"""What entries with the same attributes have in common: a directory has many entries, but few such forms."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from msgspec import Struct, field

from usersyncd_ldap.fields import LEFT_OUT, Fields
from usersyncd_ldap.mapping import Schema

MOST = 5_000
"""How many forms are kept: about 10 MB."""


class EntryForm(Struct):
    """The attributes of an entry, by the server's names."""

    members: list[str]
    """Those with a group's members."""
    urls: list[str]
    """Those with the URLs of a dynamic group."""
    left_out: list[str]
    """Those that are not read."""
    keys: list[str]
    """The names in the rules of all others, in the entry's order."""
    binary: list[tuple[str, Callable[[bytes], str]]]
    """Those of the others with bytes that have a text form, and the function."""
    classes: str | None
    """The one with the object classes."""
    hidden: dict[tuple[Any, ...], str | None] = field(default_factory=dict)
    """Attributes in the DN and object classes -> the hidden attribute."""


class EntryForms(dict[str, EntryForm]):
    """The names of an entry's attributes, one per line, in the entry's order -> their form. Filled on first use.

    ``is_member``: whether an attribute has members; ``urls``: attributes (in lower case) with URLs of members.
    """

    def __init__(self, fields: Fields, schema: Schema, is_member: Callable[[str], bool], urls: frozenset[str]) -> None:
        super().__init__()
        self._fields = fields
        self._bytes = schema.bytes
        self._is_member = is_member
        self._urls = urls

    def __missing__(self, lines: str) -> EntryForm:
        if len(self) >= MOST:
            self.clear()
        names = lines.split("\n") if lines else []
        members = [name for name in names if self._is_member(name)]
        others = [name for name in names if name not in members]
        kept = [name for name in others if self._fields[name] != LEFT_OUT]
        self[lines] = form = EntryForm(
            members=members,
            urls=[name for name in others if name.lower() in self._urls],
            left_out=[name for name in others if name not in kept],
            keys=[self._fields[name] for name in kept],
            binary=[(name, self._bytes[name.lower()]) for name in kept if name.lower() in self._bytes],
            classes=next((name for name in names if name.lower() == "objectclass"), None),
        )
        return form
