"""Copies one file to UTF-8, and checks how much of it is not in the configured encoding."""

from __future__ import annotations

import codecs
import re
import tempfile
from contextlib import ExitStack
from pathlib import Path
from typing import BinaryIO

from usersyncd.errors import SourceError

CHUNK = 1 << 20
"""Bytes that are copied at a time."""

BOM = "\ufeff"
"""The byte order mark (RFC 3629, section 6)."""

FEW_LINES, FEW = 10, 0.1
"""Number and share of the lines that may have bytes outside the encoding: a file that exceeds both has another
encoding."""

_BROKEN = re.compile("[\ud800-\udfff]")

WIDE = {
    rb"\xff\xfe\0\0": ("utf-32", "utf-32-le"),
    rb"\0\0\xfe\xff": ("utf-32", "utf-32-be"),
    rb"\xff\xfe": ("utf-16", "utf-16-le"),
    rb"\xfe\xff": ("utf-16", "utf-16-be"),
    rb"[^\0]\0\0\0[^\0]\0\0\0": ("utf-32-le",),
    rb"\0\0\0[^\0]\0\0\0[^\0]": ("utf-32-be",),
    rb"[^\0]\0[^\0]\0": ("utf-16-le",),
    rb"\0[^\0]\0[^\0]": ("utf-16-be",),
}
"""The beginning of a file with two or four bytes per character (a byte order mark or two ASCII characters) -> the
encodings that can read it; messages name the first."""


def copy_file(path: Path, encoding: str, closing: ExitStack) -> BinaryIO:
    """A copy in UTF-8 without byte order mark, positioned at its start. Bytes outside ``encoding`` are kept, and lone
    surrogates of UTF-16 become such bytes: read the copy with ``surrogateescape`` (PEP 383). Raises SourceError, and
    OSError for ``path``."""
    return _Copying(path, encoding, closing.enter_context(tempfile.TemporaryFile())).whole()


class _Copying:
    def __init__(self, path: Path, encoding: str, copy: BinaryIO) -> None:
        self._path, self._encoding, self._copy = path, encoding, copy
        self._codec = codecs.lookup(encoding).name
        self._wide = self._codec.startswith(("utf-16", "utf-32"))
        self._errors = "surrogatepass" if self._wide else "surrogateescape"
        self._decoder = codecs.getincrementaldecoder(encoding)(self._errors)
        self._line = 1
        self._broken: list[int] = []
        self._begun = False

    def whole(self) -> BinaryIO:
        with self._path.open("rb") as source:
            while chunk := source.read(CHUNK):
                self._take(chunk)
        if _BROKEN.search(self._decoded(b"", final=True)):
            raise self._not_text(self._line, "it ends in the middle of a character")
        if len(self._broken) > FEW_LINES and len(self._broken) > FEW * self._line:
            raise self._not_text(self._broken[0], f"{len(self._broken):,} of the file's lines are not")
        self._copy.seek(0)
        return self._copy

    def _take(self, chunk: bytes) -> None:
        if not self._begun:
            self._verify_width(chunk)
        text = self._decoded(chunk)
        if not self._begun:
            text, self._begun = text.removeprefix(BOM), bool(text)
        broken = [] if text.isascii() or not _BROKEN.search(text) else self._broken_lines(text)
        if "\0" in text:
            line = self._line + text.count("\n", 0, text.index("\0"))
            if broken:
                raise self._not_text(broken[0], "nor is it text")
            raise SourceError(
                f"{self._path}:{line}: a NUL character", "the file is damaged or not text: write it again"
            )
        self._broken += broken
        self._line += text.count("\n")
        try:
            self._copy.write(text.encode(errors=self._errors))
        except OSError as error:
            folder = tempfile.gettempdir()
            problem = f"{self._path} cannot be copied to {folder}: {error.strerror}"
            raise SourceError(problem, "free disk space there") from error

    def _verify_width(self, beginning: bytes) -> None:
        """Raises SourceError if the characters clearly have another width than in the encoding."""
        readers = next((readers for start, readers in WIDE.items() if re.match(start, beginning)), None)
        if readers and self._codec not in readers:
            name = readers[0]
            raise SourceError(
                f"{self._path}:1: not {self._encoding}: this is {name.upper()}", f"write the option `encoding: {name}`"
            )
        if self._wide and b"\0" not in beginning:
            raise self._not_text(1, "it has no NUL bytes, which commas and line breaks have in this encoding")

    def _decoded(self, chunk: bytes, *, final: bool = False) -> str:
        try:
            return self._decoder.decode(chunk, final=final)
        except UnicodeError as error:  # From a multi-byte encoding.
            before = error.object[: error.start] if isinstance(error, UnicodeDecodeError) else b""
            line = self._line + before.decode(self._encoding, "replace").count("\n")
            raise self._not_text(line, str(error)) from error

    def _broken_lines(self, text: str) -> list[int]:
        return [number for number, line in enumerate(text.split("\n"), self._line) if _BROKEN.search(line)]

    def _not_text(self, line: int, why: str) -> SourceError:
        return SourceError(
            f"{self._path}:{line}: not {self._encoding}: {why}",
            "save the file in UTF-8, or name its encoding in the option `encoding`",
        )
