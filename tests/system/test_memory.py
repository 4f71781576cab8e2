"""The memory of a process that runs syncs."""

from __future__ import annotations

import subprocess
import sys

import pytest

ARENAS = """
import ctypes, threading
from usersyncd import memory

library = ctypes.CDLL(None)
if not hasattr(library, "malloc_info"):
    raise SystemExit("no glibc")
memory.tune()
started = threading.Barrier(8)

def allocate():
    started.wait()
    library.free(ctypes.c_void_p(library.malloc(5_000)))

library.malloc.restype = ctypes.c_void_p
threads = [threading.Thread(target=allocate) for _ in range(8)]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
library.fdopen.restype = ctypes.c_void_p
file = ctypes.c_void_p(library.fdopen(1, b"w"))
library.malloc_info(0, file)
library.fflush(file)
"""


def test_all_threads_allocate_from_one_place() -> None:
    ran = subprocess.run([sys.executable, "-c", ARENAS], capture_output=True, text=True, check=False, timeout=60)
    if "no glibc" in ran.stderr:
        pytest.skip("only glibc has arenas")
    assert ran.stdout.count("<heap ") == 1
