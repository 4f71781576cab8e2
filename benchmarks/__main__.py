"""``make bench``: the benchmarks, one after the other, each in a process of its own; then one table of what they found.

Run: ``python -m benchmarks [NAME[=PEOPLE,…]…]``. Without names: all but ``large``, which takes about an hour on two
cores. ``changes=100000,1000000`` takes 20 minutes.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from pathlib import Path

from benchmarks import table

ALL = (
    "rules",
    "edited_rule",
    "first_sync",
    "reread",
    "sync",
    "state",
    "year",
    "changes",
    "ldap_pull",
    "ldap_changes",
    "graph_pull",
    "graph_run",
    "google_pull",
    "scim_in",
    "scim_out",
    "events",
)
NAMED = ("large",)
"""Those that run only by their name."""


def main(names: list[str]) -> None:
    if unknown := [name for name in names if name.partition("=")[0] not in (*ALL, *NAMED)]:
        sys.exit(f"no such benchmark: {', '.join(unknown)}\n  → choose from {', '.join((*ALL, *NAMED))}")
    failed = []
    with tempfile.TemporaryDirectory() as folder:
        found = Path(folder) / "lines.jsonl"
        found.touch()
        for name in names or ALL:
            print(f"\n== {name}", flush=True)
            benchmark, _, people = name.partition("=")
            command = [sys.executable, "-m", f"benchmarks.{benchmark}", *filter(None, people.split(","))]
            if subprocess.run(command, env={**os.environ, table.FILE: str(found)}, check=False).returncode:
                failed.append(name)
        print("\n== all")
        table.show(table.read(found))
    if failed:
        sys.exit(f"failed: {', '.join(failed)}")


main(sys.argv[1:])
