"""Distinguished names in one normal form, so that they can be compared as text (RFC 4514).

``CN=Ada\\2C Countess , OU=People`` and ``cn=ada\\, countess,ou=people`` name the same entry. The normal form folds
case, drops spaces that do not count (RFC 4518, section 2.6.1), sorts the parts of a multi-valued RDN, decodes
hexadecimal values and escapes in one way. Case is folded letter by letter, as servers do it: ``ß`` and ``ss``, which
RFC 4518 folds together, name two entries where a server holds both. Members of groups come by the hundred thousand and
nearly all are simple: for those, folding case is all there is to do, and a whole group is done at once.
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
"""The attribute types that every implementation knows by name (RFC 4514, section 3)."""

_PLAIN = bytes(set(range(0x21, 0x7F)) - set(b'"#+;<>\\')) + b"\n"
"""Printable ASCII that means itself wherever it stands in a DN; a space does so only between two of these."""

# Possessive (`*+`, `++`), as no part can begin with what follows it: nothing to try again, a third less of the time.
_TYPE, _WORD = r"[A-Za-z][A-Za-z0-9-]*+", r"[!$%&'()*./0-9:=?@A-Z\[\]^_`a-z{|}~-]++"
_PART = rf"{_TYPE}={_WORD}(?: {_WORD})*+"
_is_plain = re.compile(rf"{_PART}(?:,{_PART})*+").fullmatch

_ODD_SPACES = (b"  ", b" ,", b", ", b" =", b"= ", b" \n", b"\n ")

_ESCAPED = re.compile(r'[,+"\\<>;]|^#')
_BINARY = 2
"""libldap's flag on a value that was written in hexadecimal (LDAP_AVA_BINARY): it is BER."""
_STRING_TAGS = frozenset({0x04, 0x0C, 0x12, 0x13, 0x14, 0x16, 0x1A})


def normal(dn: str) -> str:
    """The normal form of one DN. Text that is no DN is folded and otherwise left alone."""
    return dn.lower() if _is_plain(dn) else _parsed(dn)


def is_named(dn: str, attribute: str, value: str) -> bool:
    """Whether the first part of a DN names the entry by this value of an attribute."""
    try:
        parts = ldap.dn.str2dn(dn)
    except (ldap.LDAPError, UnicodeError):
        return False
    return bool(parts) and _assertion(attribute, value, 0) in [_assertion(*one) for one in parts[0]]


def own_attributes(dn: str) -> Sequence[str]:
    """The attributes, in lower case, whose values name the entry: those of the first part of its DN."""
    first = dn.partition(",")[0]
    if "+" not in first and "\\" not in first:
        return (_attribute(first.partition("=")[0].strip()),)
    try:
        parts = ldap.dn.str2dn(dn)
    except (ldap.LDAPError, UnicodeError):
        return ()
    return [_attribute(name) for name, _, _ in parts[0]] if parts else ()


def handles(dns: Sequence[bytes]) -> frozenset[str]:
    """The handles ``dn:<normal form>`` of many DNs, as they stand in a group's ``member``. An empty DN names nobody."""
    lines = b"\n".join(dns)
    if lines.count(b"\n") == len(dns) - 1 and _are_plain(lines):
        found = frozenset(("dn:" + lines.decode().lower().replace("\n", "\ndn:")).split("\n"))
    else:
        found = frozenset("dn:" + normal(dn.decode(errors="backslashreplace")) for dn in dns)
    return found - {"dn:"} if "dn:" in found else found


def _are_plain(lines: bytes) -> bool:
    """Whether each of these DNs, one a line, differs from its normal form at most in case."""
    rest = lines.translate(None, _PLAIN)
    if rest and (rest.strip(b" ") or _has_any(b"\n" + lines + b"\n", _ODD_SPACES)):
        return False
    return b"2.5.4." not in lines and b"0.9.2342." not in lines  # Attribute types by number have names.


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
    """The simple lower case of one letter (UnicodeData.txt): it is one letter too."""
    return "i" if letter == "İ" else letter.lower()


def _text_of_ber(value: str) -> str:
    """The text in a BER string of less than 128 bytes; the hexadecimal form itself for anything else."""
    ber = value.encode()
    if len(ber) >= 2 and ber[0] in _STRING_TAGS and ber[1] == len(ber) - 2 < 0x80:
        return ber[2:].decode()
    return "#" + ber.hex()
