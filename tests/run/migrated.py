"""Empty state databases at the newest version. They are copied, because a migration takes longer than most tests."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory

from usersyncd.state.database import open_database


def migrated_sqlite(file: Path) -> str:
    """Create a database in ``file`` unless the file exists, and return its URL."""
    if not file.exists():
        file.write_bytes(_content())
    return f"sqlite:///{file}"


@cache
def _content() -> bytes:
    with TemporaryDirectory() as folder:
        file = Path(folder) / "state.db"
        open_database(f"sqlite:///{file}").close()
        return file.read_bytes()
