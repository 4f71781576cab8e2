"""Reading a file that a configuration is in or names, and nothing else: a named pipe or a terminal would be waited for
without end."""

from __future__ import annotations

import errno
import os
import stat
from pathlib import Path


def read_file(path: Path) -> bytes:
    """What a regular file holds. Raises OSError, at once for what is none, and ValueError."""
    with open(path, "rb", opener=_opener) as file:
        mode = os.fstat(file.fileno()).st_mode
        if not stat.S_ISREG(mode):
            what = "a named pipe" if stat.S_ISFIFO(mode) else "a device"
            raise OSError(errno.EINVAL, f"it is {what}, and no file")
        return file.read()


def _opener(path: str, flags: int) -> int:
    return os.open(path, flags | os.O_NONBLOCK | os.O_NOCTTY)
