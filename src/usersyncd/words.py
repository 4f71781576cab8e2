"""Words of messages. Text from outside, such as a server's error message, is quoted: shortened for display, log and
storage, and without secrets."""

from __future__ import annotations

import re

MASK = "***"
QUOTE = 300
"""Maximum number of characters that a message quotes."""

_NAMES = (
    r"(?:password|passwd|passphrase|pwd|secret|token|authorization|cookie|assertion"
    r"|(?:api|access|private|secret)[_-]?key)s?"
)
_HIDDEN_KEY = re.compile(f"{_NAMES}$", re.IGNORECASE)
_SECRETS = (
    (re.compile(r"(://[^\s/:@]*:)[^\s/]*@"), rf"\1{MASK}@"),  # scheme://user:password@host
    (re.compile(r"\b(Bearer|Basic)\s+[\w+/=.~-]{16,}", re.IGNORECASE), rf"\1 {MASK}"),  # an Authorization header
    (re.compile(rf"({_NAMES}=)[^\s&;,]+", re.IGNORECASE), rf"\1{MASK}"),  # a query, a form, a connection string
    (re.compile(rf'({_NAMES}"\s*:\s*")[^"]*', re.IGNORECASE), rf"\1{MASK}"),  # a member of a JSON object
    (re.compile(r"\beyJ[\w-]{8,}\.[\w-]+(\.[\w-]*)*"), MASK),  # a JSON Web Token (RFC 7519)
)


def many(number: int, word: str) -> str:
    """``1 user``, ``2,000 users``."""
    return f"{number:,} {word}{'' if number == 1 else 's'}"


def names_secret(key: str) -> bool:
    """Whether the value under this key is a secret."""
    return _HIDDEN_KEY.search(key) is not None


def masked(text: str) -> str:
    """The text, with :data:`MASK` in place of everything that looks like a secret."""
    for pattern, replacement in _SECRETS:
        text = pattern.sub(replacement, text)
    return text


def quoted(text: str, most: int = QUOTE) -> str:
    """The beginning of a text, in one line and with secrets masked."""
    # Mask twice the length first: otherwise the cut could leave half of a secret that no pattern matches.
    line = masked(" ".join(text[: 4 * most].split())[: 2 * most])
    cut = len(line) > most or len(text) > 4 * most
    return f"{line[:most]}…" if cut else line
