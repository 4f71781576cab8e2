"""``python -m usersyncd``: the command line."""

from __future__ import annotations

from usersyncd.cli import main

if __name__ == "__main__":
    main()
