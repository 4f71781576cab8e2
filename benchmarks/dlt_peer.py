"""dlt at its best with the CSV files of a company: read by pyarrow, merged into PostgreSQL by upsert, loaded as CSV.

Run in the environment of ``make bench-peers``: ``python -m benchmarks.dlt_peer FOLDER URL``. It keeps its own files in
FOLDER/dlt, so a second run on the same database does what dlt does when nothing changed. It prints its cost.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from benchmarks.measure import report

KEYS = {"users": ["id"], "groups": ["id"], "members": ["group_id", "member_id"]}


def main(folder: Path, url: str) -> None:
    home = str(folder / "dlt")
    os.environ.update(DLT_DATA_DIR=home, RUNTIME__DLTHUB_TELEMETRY="false", RUNTIME__LOG_LEVEL="CRITICAL")
    import dlt  # type: ignore[import-not-found]  # in the other environment
    import pyarrow  # type: ignore[import-not-found]
    from pyarrow import csv

    def table(name: str, key: list[str]) -> Any:
        def rows() -> Iterator[Any]:
            file = folder / f"{name}.csv"
            with file.open() as text:
                columns = next(text).strip().split(",")
            types = {column: pyarrow.bool_() if column == "active" else pyarrow.string() for column in columns}
            options = csv.ConvertOptions(column_types=types, strings_can_be_null=True, null_values=[""])
            yield csv.read_csv(file, convert_options=options)

        upsert = {"disposition": "merge", "strategy": "upsert"}
        return dlt.resource(rows, name=name, write_disposition=upsert, primary_key=key)

    # dlt refuses an address without a password; the server trusts everybody.
    target = dlt.destinations.postgres(url.replace("@", ":unused@", 1))
    pipeline = dlt.pipeline("company", destination=target, dataset_name="company", pipelines_dir=home)
    tables = [table(name, key) for name, key in KEYS.items()]
    report(lambda: pipeline.run(tables, loader_file_format="csv").raise_on_failed_jobs())


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2])
