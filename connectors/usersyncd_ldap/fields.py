"""The attributes to keep, their names, and the conversion of their values."""

from __future__ import annotations

import re
from collections.abc import Callable

from usersyncd.plugin import Kind, Value
from usersyncd_ldap.mapping import BINARY, MAPPING, SECRET, TIMES, Schema

LEFT_OUT = ""
"""The name of all attributes that are not kept."""


class Fields(dict[str, str]):
    """Server's attribute name -> name in the rules. Filled on first use of each name.

    Names are case-insensitive in LDAP, but not in the rules: the spelling of the rules has precedence, then that of the
    mapping. ``reads``: the names that the rules read; None: all. ``never``: attributes (in lower case) that are always
    left out.
    """

    def __init__(
        self, kind: Kind, reads: frozenset[str] | None, schema: Schema, never: frozenset[str] = frozenset()
    ) -> None:
        super().__init__()
        self._all = reads is None
        self._named = reads or frozenset()
        self._never = never
        self._hidden = SECRET | BINARY | schema.unreported
        if kind is Kind.GROUP:
            self._hidden |= frozenset(map(str.lower, schema.members))
        derived = schema.derived if kind is Kind.USER else {}
        self.derived = [
            (name, self._source(attribute), convert)
            for name, (attribute, convert) in derived.items()
            if reads is None or name in reads
        ]
        """Canonical name, the attribute from which it is computed, and the function."""
        self._spellings: dict[str, list[str]] = {}
        for name in self._given(kind, schema):
            attribute = schema.names.get(name, name)
            if name not in derived:
                self._spellings.setdefault(_plain(attribute), []).append(name)
        self.names = sorted(
            {bare(schema.names.get(name, name)) for name in self._named if name not in derived}
            | {attribute for _, attribute, _ in self.derived}
        )
        """The attributes to request, if not all."""
        self.names = [name for name in self.names if name.lower() not in never]
        for name in (schema.key, "uid", "primaryGroupID", *(attribute for _, attribute, _ in self.derived)):
            self._spellings.setdefault(name.lower(), [name])
        self.twice = [(first, other) for first, *others in self._spellings.values() for other in others]
        """Attributes with more than one name in the rules."""
        self.converts: list[tuple[str, Callable[[Value], Value]]] = [
            (self.spelled(name), iso_8601) for name in TIMES if self._all or name.lower() in self._spellings
        ]
        """Attributes whose text is converted."""
        if kind is Kind.USER:
            self.converts.append((self.spelled("manager"), schema.reference))

    def _given(self, kind: Kind, schema: Schema) -> list[str]:
        """The names that the rules read; for all, those that may differ from the server's spelling."""
        if not self._all:
            return sorted(self._named)
        mapped = sorted(MAPPING[kind].values())
        aliases = sorted(schema.names) if kind is Kind.USER else []
        # An attribute's own name comes before its alias: both are provided.
        own = [schema.names[name] for name in aliases if name not in mapped]
        return [*mapped, *own, *(name for name in aliases if name not in mapped)]

    def _source(self, attribute: str) -> str:
        return next((name for name in sorted(self._named) if name.lower() == attribute.lower()), attribute)

    def spelled(self, name: str) -> str:
        """The spelling of this attribute in the rules."""
        return self._spellings.get(name.lower(), [name])[0]

    def named(self, name: str) -> bool:
        """Whether a rule names this attribute, so that it is provided even when it is binary or secret."""
        return name in self._named

    def __missing__(self, name: str) -> str:
        self[name] = key = self._key(name)
        return key

    def _key(self, name: str) -> str:
        plain = _plain(name)
        if plain in self._never:
            return LEFT_OUT
        key = self._spellings[plain][0] if plain in self._spellings else name if self._all else LEFT_OUT
        hidden = plain in self._hidden or plain != name.lower()
        return LEFT_OUT if hidden and not self.named(key) else key


def bare(name: str) -> str:
    """The name without the option ``;binary``, which servers add on their own (RFC 4522)."""
    return name[:-7] if name.lower().endswith(";binary") else name


def _plain(name: str) -> str:
    return bare(name).lower()


_TIME = re.compile(r"(\d{4})(\d\d)(\d\d)(\d\d)(?:(\d\d)(?:(\d\d))?)?(?:[.,](\d+))?(Z|[+-]\d\d(?:\d\d)?)")


def iso_8601(value: Value) -> Value:
    """Generalized time (``20240131120000Z``) as ISO 8601 (``2024-01-31T12:00:00Z``); any other value unchanged.

    A fraction belongs to the smallest given unit (RFC 4517, section 3.3.13); only fractions of seconds are converted.
    """
    if not isinstance(value, str):
        return value
    if len(value) == 15 and value[14] == "Z" and value[:14].isdecimal():
        return f"{value[:4]}-{value[4:6]}-{value[6:8]}T{value[8:10]}:{value[10:12]}:{value[12:14]}Z"
    match = _TIME.fullmatch(value)
    if match is None:
        return value
    year, month, day, hour, minute, second, fraction, zone = match.groups()
    if fraction and not second:
        return value
    zone = zone if zone == "Z" else f"{zone[:3]}:{zone[3:] or '00'}"
    return f"{year}-{month}-{day}T{hour}:{minute or '00'}:{second or '00'}{'.' + fraction if fraction else ''}{zone}"
