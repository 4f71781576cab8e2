"""Standard output and standard error whose writes never fail, even if they are closed, full, or have no reader.

A failed write stops nothing: the command continues its work, and reports at its end that output is missing.
"""

from __future__ import annotations

import errno
import io
import os
import select
import sys
from collections.abc import Callable
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path
from typing import TYPE_CHECKING, Any, TextIO

if TYPE_CHECKING:
    from _typeshed import ReadableBuffer

EXPLAINED_BY_OUTPUT = frozenset({0, 3, 4})
"""The exit codes that mean: the result is in the output."""


class Stream(io.TextIOWrapper):
    """A text stream whose writes never fail."""

    def __init__(self, original: TextIO | None) -> None:
        """``original`` None: it was closed before the program began."""
        buffer = getattr(original, "buffer", None)
        self._file = _File(getattr(buffer, "raw", buffer))
        super().__init__(
            io.BufferedWriter(self._file),
            encoding=original.encoding if original is not None else "utf-8",
            errors="backslashreplace",  # People have names that not every terminal can write.
            line_buffering=self._file.isatty(),
        )

    @property
    def fault(self) -> OSError | None:
        """The first error of a write."""
        return self._file.fault

    def forget_fault(self) -> None:
        """Forget the error, for a command that does not depend on its output."""
        self._file.fault = None


class _File(io.RawIOBase):
    """A file whose writes never fail."""

    def __init__(self, inner: Any) -> None:
        self._inner = inner
        self.fault: OSError | None = None

    def writable(self) -> bool:
        return True

    def isatty(self) -> bool:
        return self._inner is not None and bool(self._inner.isatty())

    def fileno(self) -> int:
        return int(self._opened().fileno())

    def write(self, data: ReadableBuffer) -> int:
        try:
            file = self._opened()
            while (written := file.write(data)) is None:  # The file is in non-blocking mode, and full.
                select.select([], [file], [])
            return int(written)
        except OSError as error:
            self.fault = self.fault or error
            return memoryview(data).nbytes

    def _opened(self) -> Any:
        if self._inner is None:
            raise OSError(errno.EBADF, "it is closed")
        return self._inner


def with_safe_streams(work: Callable[[], int]) -> int:
    """Run a command so that no failed write to standard output or error stops it.

    Returns the command's exit code, or 1 if the result was in output that could not be written.
    """
    _open_closed_streams()
    out, err = Stream(sys.stdout), Stream(sys.stderr)
    with redirect_stdout(out), redirect_stderr(err):
        code = work()
        out.flush()
        if out.fault is not None:
            err.write(
                f"standard output could not be written ({out.fault.strerror}): output is missing; what the command did "
                "is not affected\n"
            )
        err.flush()
    return 1 if code in EXPLAINED_BY_OUTPUT and (out.fault or err.fault) else code


def _open_closed_streams() -> None:
    """Open the standard streams that are closed, as ``/dev/null``.

    Otherwise the next file that is opened would get the number of a closed stream, and libraries that write to this
    stream would write into that file.
    """
    for number in range(3):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDWR)
    if sys.stdin is None:
        sys.stdin = Path(os.devnull).open()  # noqa: SIM115 - it stays open
