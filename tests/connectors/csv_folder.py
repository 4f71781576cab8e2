"""A folder with CSV files, and the source that reads them."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

from usersyncd.errors import SourceError
from usersyncd.plugin import Done, Kind, Record
from usersyncd.testing import Pull, read, source_context
from usersyncd_csv import CsvSource
from usersyncd_csv.options import CsvOptions

GROUPS = "id,displayName\nstaff,Staff\nops,Ops\n"


class Folder:
    """Three files, and the source that reads them."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def source(
        self, reads: Mapping[Kind, frozenset[str] | None] | None = None, mapped: Sequence[str] = (), **options: Any
    ) -> CsvSource:
        names = {name: f"{name}.csv" for name in ("users", "groups", "members") if (self.path / f"{name}.csv").exists()}
        context = source_context(self.path, reads=reads, mapped={Kind.USER: mapped})
        return CsvSource(CsvOptions(**{"users": "users.csv", **names, **options}), context)

    def write(self, encoding: str = "utf-8", **files: str | bytes) -> Folder:
        for name, text in files.items():
            (self.path / f"{name}.csv").write_bytes(text if isinstance(text, bytes) else text.encode(encoding))
        return self

    def pull(self, **options: Any) -> Pull:
        return asyncio.run(read(self.source(**options)))

    def users(self, **options: Any) -> dict[str, dict[str, Any]]:
        return {record.id: record.attributes for record in self.pull(**options).items if isinstance(record, Record)}

    def pull_error(self, **options: Any) -> SourceError:
        """Pull, check that the pull fails without `Done`, and return the error."""
        pages: list[Any] = []

        async def collect() -> None:
            async for page in self.source(**options).pull(None):
                pages.append(page)

        with pytest.raises(SourceError) as raised:
            asyncio.run(collect())
        assert not any(isinstance(page, Done) for page in pages)
        assert raised.value.remedy
        return raised.value


@pytest.fixture
def folder(tmp_path: Path) -> Folder:
    return Folder(tmp_path)
