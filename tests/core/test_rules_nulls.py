"""Rules whose values are null, however often they are evaluated."""

from __future__ import annotations

import subprocess
import sys

MANY = 100_000
"""None has some ten thousand references in a process that just started."""
PROGRAM = f"""
from usersyncd.core.rules.cel import CelEnvironment, parse, plain
null, nested = (CelEnvironment({{}}).expression(parse(text)) for text in ("null", "[[null], {{'x': null}}]"))
for _ in range({MANY}):
    assert plain(null.eval(data={{}})) is None
for _ in range({MANY}):
    assert plain(nested.eval(data={{}})) == [[None], {{"x": None}}]
print("done")
"""


def test_nulls_do_not_use_up_none() -> None:
    """The library releases a reference too many for each null, which ends Python 3.11."""
    ran = subprocess.run([sys.executable, "-c", PROGRAM], capture_output=True, text=True, check=False)
    assert (ran.returncode, ran.stdout) == (0, "done\n"), ran.stderr
