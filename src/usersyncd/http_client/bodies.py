"""Reads and decompresses the body of a response, up to a size limit."""

from __future__ import annotations

import zlib
from collections.abc import Iterator

import httpx

from usersyncd.http_client.retry import LastingError

GZIP = frozenset({"gzip", "x-gzip"})
"""The names of the encoding that requests accept (RFC 9110, section 8.4.1)."""
GZIP_WINDOW = 16 + zlib.MAX_WBITS
"""The window size that makes zlib expect gzip."""
PART = 256 * 1024
"""Bytes that are decompressed at a time."""


async def read_body(response: httpx.Response, limit: int) -> bytes:
    """The whole body, decompressed. Raises LastingError when it is larger than ``limit`` or has another encoding than
    gzip (once); httpx.ReadError when it is corrupt."""
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
                "sent a response with an encoding that was not requested (Content-Encoding)",
                "only gzip, applied once, can be decoded: check the proxies between usersyncd and the host",
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
            raise httpx.ReadError("the compressed body is incomplete")
        return b"".join(self._parts)

    def _unpacked(self, chunk: bytes) -> Iterator[bytes]:
        """Decompress in parts, because a few bytes may expand to gigabytes. ``_gzip`` is None between two members of a
        gzip file (RFC 1952, section 2.2)."""
        while chunk:
            if self._gzip is None:
                self._gzip = zlib.decompressobj(GZIP_WINDOW)
            try:
                yield self._gzip.decompress(chunk, PART)
            except zlib.error as error:
                raise httpx.ReadError("the compressed body is corrupt") from error
            chunk = self._gzip.unconsumed_tail or self._gzip.unused_data
            if self._gzip.eof:
                self._gzip = None

    def _too_large(self) -> LastingError:
        return LastingError(
            f"sent a response of more than {self._limit:,} bytes",
            "check what the host sends: responses are much smaller",
        )
