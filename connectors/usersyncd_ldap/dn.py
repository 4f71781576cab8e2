"""Normalises distinguished names, so that they can be compared as text (RFC 4514).

``CN=Ada\\2C Countess , OU=People`` and ``cn=ada\\, countess,ou=people`` name the same entry. The normal form folds
case, removes insignificant spaces (RFC 4518, section 2.6.1), sorts the parts of a multi-valued RDN, decodes hexadecimal
values and escapes uniformly. Case is folded letter by letter, as servers do it: ``ß`` and ``ss``, which RFC 4518 folds
together, name two entries where a server has both. Groups may have hundreds of thousands of members, nearly all with
simple DNs: these need case folding only, and a whole group is folded at once.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence

import ldap
import ldap.dn

_NAMES = {
    "2.5.4.3": "cn", "2.5.4.6": "c", "2.5.4.7": "l", "2.5.4.8": "st", "2.5.4.9": "street", "2.5.4.10": "o",
    "2.5.4.11": "ou", "0.9.2342.19200300.100.1.1": "uid", "0.9.2342.19200300.100.1.25": "dc",
}  # fmt: skip
"""The attribute types with names that every implementation knows (RFC 4514, section 3)."""

_PLAIN = bytes(set(range(0x21, 0x7F)) - set(b'"#+;<>\\')) + b"\n"
"""Printable ASCII without special meaning in a DN; a space has none only between two of these."""

# Possessive (`*+`, `++`), because no part can begin with what follows it: no backtracking, a third less time.
_TYPE, _WORD = r"[A-Za-z][A-Za-z0-9-]*+", r"[!$%&'()*./0-9:=?@A-Z\[\]^_`a-z{|}~-]++"
_PART = rf"{_TYPE}={_WORD}(?: {_WORD})*+"
_is_plain = re.compile(rf"{_PART}(?:,{_PART})*+").fullmatch

_ODD_SPACES = (b"  ", b" ,", b", ", b" =", b"= ", b" \n", b"\ndn: ")

_ESCAPED = re.compile(r'[,+"\\<>;]|^#')
_BINARY = 2
"""libldap's flag on a value that was written in hexadecimal (LDAP_AVA_BINARY): it is BER."""
_STRING_TAGS = frozenset({0x04, 0x0C, 0x12, 0x13, 0x14, 0x16, 0x1A})


def normal(dn: str) -> str:
    """The normal form of one DN. Text that is not a DN is only case-folded."""
    return dn.lower() if _is_plain(dn) else _parsed(dn)


def is_named(dn: str, attribute: str, value: str) -> bool:
    """Whether the first part of a DN has this value of an attribute."""
    try:
        parts = ldap.dn.str2dn(dn)
    except (ldap.LDAPError, UnicodeError):
        return False
    return bool(parts) and _assertion(attribute, value, 0) in [_assertion(*one) for one in parts[0]]


def own_attributes(dn: str) -> Sequence[str]:
    """The attributes, in lower case, in the first part of a DN."""
    first = dn.partition(",")[0]
    if "+" not in first and "\\" not in first:
        return (_attribute(first.partition("=")[0].strip()),)
    try:
        parts = ldap.dn.str2dn(dn)
    except (ldap.LDAPError, UnicodeError):
        return ()
    return [_attribute(name) for name, _, _ in parts[0]] if parts else ()


def handles(dns: Sequence[bytes]) -> frozenset[str]:
    """The handles ``dn:<normal form>`` of many DNs, such as a group's ``member``. Empty DNs are ignored."""
    lines = b"dn:" + b"\ndn:".join(dns)
    if _are_plain(lines, len(dns)):
        found = frozenset(lines.lower().decode().split("\n"))
    else:
        found = frozenset("dn:" + normal(dn.decode(errors="backslashreplace")) for dn in dns)
    return found - {"dn:"} if "dn:" in found else found


def handles_in_order(dns: Sequence[str]) -> list[str]:
    """The handles of many entries, by their DNs."""
    lines = "dn:" + "\ndn:".join(dns)
    if lines.isascii() and _are_plain(lines.encode(), len(dns)):
        return lines.lower().split("\n")
    return ["dn:" + normal(dn) for dn in dns]


def _are_plain(lines: bytes, count: int) -> bool:
    """Whether these are ``count`` lines, and all of them differ from handles in case only."""
    if lines.count(b"\n") != count - 1:
        return False
    rest = lines.translate(None, _PLAIN)
    if rest and (rest.strip(b" ") or _has_any(b"\n" + lines + b"\n", _ODD_SPACES)):
        return False
    return (
        b"2.5.4." not in lines and b"0.9.2342." not in lines
    )  # Numeric attribute types must be replaced by their names.


def _has_any(text: bytes, parts: Sequence[bytes]) -> bool:
    return any(part in text for part in parts)


def _parsed(dn: str) -> str:
    try:
        parts = ldap.dn.str2dn(dn)
    except (ldap.LDAPError, UnicodeError):
        return _folded(dn)
    return ",".join("+".join(sorted(_assertion(*one) for one in rdn)) for rdn in parts)


def _assertion(name: str, value: str | None, flags: int) -> str:
    text = _text_of_ber(value or "") if flags & _BINARY else value or ""
    return f"{_attribute(name)}={_ESCAPED.sub(_escape, _folded(text))}"


def _attribute(name: str) -> str:
    return _NAMES.get(name.lower(), name.lower())


def _escape(character: re.Match[str]) -> str:
    return "\\" + character[0]


def _folded(text: str) -> str:
    letters = map(_lower, unicodedata.normalize("NFKC", text))
    return " ".join(unicodedata.normalize("NFKC", "".join(letters)).split())


def _lower(letter: str) -> str:
    """The simple lower case of one letter (UnicodeData.txt), which is always one letter."""
    return "i" if letter == "İ" else letter.lower()


def _text_of_ber(value: str) -> str:
    """The text in a BER string of less than 128 bytes; otherwise the hexadecimal form."""
    ber = value.encode()
    if len(ber) >= 2 and ber[0] in _STRING_TAGS and ber[1] == len(ber) - 2 < 0x80:
        return ber[2:].decode()
    return "#" + ber.hex()
