"""Which attributes are kept, under which name, and how their values are read."""

from __future__ import annotations

import re
from collections.abc import Callable

from usersyncd.plugin import Kind, Value
from usersyncd_ldap import dn as dns
from usersyncd_ldap.mapping import BINARY, KEY, MAPPING, MEMBERS, SECRET, TIMES

LEFT_OUT = ""
"""The name of every attribute that is not kept."""


class Fields(dict[str, str]):
    """The name under which the rules know an attribute, by the name that the server gives it. Each is looked into once.

    Names are case-insensitive in LDAP, but not in the rules: the spelling of the rules wins, then that of the mapping.
    """

    def __init__(self, kind: Kind, reads: frozenset[str] | None) -> None:
        super().__init__()
        self._all = reads is None
        self._named = reads or frozenset()
        self._hidden = SECRET | BINARY | (frozenset(map(str.lower, MEMBERS)) if kind is Kind.GROUP else frozenset())
        self._spellings: dict[str, list[str]] = {}
        for name in sorted(MAPPING[kind].values() if reads is None else reads):
            self._spellings.setdefault(_plain(name), []).append(name)
        for name in (KEY, "uid"):
            self._spellings.setdefault(name.lower(), [name])
        self.names = [bare(name) for name in self._named]
        """What to ask the server for, when not for everything."""
        self.twice = [(first, other) for first, *others in self._spellings.values() for other in others]
        """Attributes that the rules spell in more than one way."""
        self.converts: list[tuple[str, Callable[[Value], Value]]] = [
            (self.spelled(name), iso_8601) for name in TIMES if self._all or name.lower() in self._spellings
        ]
        """Attributes whose text is not given as it is."""
        if kind is Kind.USER:
            self.converts.append((self.spelled("manager"), manager))

    def spelled(self, name: str) -> str:
        """How the rules spell this attribute."""
        return self._spellings.get(name.lower(), [name])[0]

    def named(self, name: str) -> bool:
        """Whether a rule names this attribute, so that it is given even when it is binary or secret."""
        return name in self._named

    def __missing__(self, name: str) -> str:
        self[name] = key = self._key(name)
        return key

    def _key(self, name: str) -> str:
        plain = _plain(name)
        key = self._spellings[plain][0] if plain in self._spellings else name if self._all else LEFT_OUT
        hidden = plain in self._hidden or plain != name.lower()
        return LEFT_OUT if hidden and not self.named(key) else key


def bare(name: str) -> str:
    """The name without the option ``;binary``, which servers add by themselves (RFC 4522)."""
    return name[:-7] if name.lower().endswith(";binary") else name


def _plain(name: str) -> str:
    return bare(name).lower()


def manager(value: Value) -> Value:
    """The manager's DN as a handle, so that it is found as a member is; of several, the first."""
    dn = value[0] if isinstance(value, list) else value
    return "dn:" + dns.normal(str(dn))


_TIME = re.compile(r"(\d{4})(\d\d)(\d\d)(\d\d)(?:(\d\d)(?:(\d\d))?)?(?:[.,](\d+))?(Z|[+-]\d\d(?:\d\d)?)")


def iso_8601(value: Value) -> Value:
    """Generalized time (``20240131120000Z``) as ISO 8601 (``2024-01-31T12:00:00Z``); anything else as it is.

    A fraction is one of the smallest unit that is given (RFC 4517, section 3.3.13): here, of seconds only.
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
