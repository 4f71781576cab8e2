"""The body of an answer: read and unpacked within a limit."""

from __future__ import annotations

import zlib
from collections.abc import Iterator

import httpx

from usersyncd.http.retry import LastingError

GZIP = frozenset({"gzip", "x-gzip"})
"""The encoding that is asked for, by its names (RFC 9110, section 8.4.1)."""
GZIP_WINDOW = 16 + zlib.MAX_WBITS
"""How zlib is told that gzip comes."""
PART = 256 * 1024
"""Bytes that are unpacked at a time."""


async def read_body(response: httpx.Response, limit: int) -> bytes:
    """The whole body, unpacked. Raises LastingError when it is larger than ``limit`` or packed in another way than once
    with gzip, httpx.ReadError when it is broken."""
    body = _Body(response.headers.get("content-encoding", ""), limit)
    assert isinstance(response.stream, httpx.AsyncByteStream)  # noqa: S101 - the client is asynchronous
    async for chunk in response.stream:
        body.add(chunk)
    return body.whole()


class _Body:
    def __init__(self, encoding: str, limit: int) -> None:
        names = [name for each in encoding.split(",") if (name := each.strip().lower()) not in ("", "identity")]
        if len(names) > 1 or not GZIP.issuperset(names):
            raise LastingError(
                "packed its answer in a way that nobody asked for (Content-Encoding)",
                "only gzip, once, is read: see what stands between here and the host",
            )
        self._limit = limit
        self._left = self._raw_left = limit
        self._parts: list[bytes] = []
        self._packed = bool(names)
        self._gzip = zlib.decompressobj(GZIP_WINDOW) if names else None

    def add(self, chunk: bytes) -> None:
        self._raw_left -= len(chunk)
        if self._raw_left < 0:
            raise self._too_large()
        for part in self._unpacked(chunk) if self._packed else (chunk,):
            self._left -= len(part)
            if self._left < 0:
                raise self._too_large()
            self._parts.append(part)

    def whole(self) -> bytes:
        if self._gzip is not None and self._raw_left < self._limit:
            raise httpx.ReadError("the packed body ends too soon")
        return b"".join(self._parts)

    def _unpacked(self, chunk: bytes) -> Iterator[bytes]:
        """Part by part: a few bytes may stand for gigabytes. ``_gzip`` is None between two members of a file (RFC 1952,
        section 2.2)."""
        while chunk:
            if self._gzip is None:
                self._gzip = zlib.decompressobj(GZIP_WINDOW)
            try:
                yield self._gzip.decompress(chunk, PART)
            except zlib.error as error:
                raise httpx.ReadError("the packed body is broken") from error
            chunk = self._gzip.unconsumed_tail or self._gzip.unused_data
            if self._gzip.eof:
                self._gzip = None

    def _too_large(self) -> LastingError:
        return LastingError(
            f"answered with more than {self._limit:,} bytes", "see what is there: no such answer is expected"
        )
