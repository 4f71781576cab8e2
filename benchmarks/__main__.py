"""``make bench``: all benchmarks, one after the other, each in a process of its own. Takes about half an hour."""

from __future__ import annotations

import subprocess
import sys

ALL = (
    "rules",
    "sync",
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

failed = []
for name in ALL:
    print(f"\n== {name}", flush=True)
    if subprocess.run([sys.executable, "-m", f"benchmarks.{name}"], check=False).returncode:
        failed.append(name)
if failed:
    sys.exit(f"failed: {', '.join(failed)}")
