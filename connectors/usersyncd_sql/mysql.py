"""MariaDB and MySQL: what they compare loosely, and how it is compared exactly.

The usual collations take ``Ada`` and ``ada`` for the same, and would let a change of one person reach another's row.
"""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa

from usersyncd_sql.reflected import Reflected
from usersyncd_sql.write import Writer


class MysqlWriter(Writer):
    """PyMySQL sends an INSERT of many rows as few statements."""

    def _plain(self, table: Reflected, column: str) -> sa.ColumnElement[Any]:  # noqa: ARG002
        # Converted, because a column in another character set has no utf8mb4 collation.
        name = self.connection.dialect.identifier_preparer.quote(column)
        return sa.collate(sa.literal_column(f"CONVERT({name} USING utf8mb4)"), "utf8mb4_bin")

    def _loosely(self, table: Reflected, held: str, column: str, asked: str) -> str:
        comparison = table.comparisons[column]
        if isinstance(table.columns[column].type, sa.Uuid):
            return f"{held} = CAST({asked} AS UUID)"
        if comparison.collation is None:
            return f"{held} = {asked}"
        # The values that are asked for take the column's own character set and collation, so that its index serves;
        # what that character set does not have is not asked for.
        converted = f"CONVERT({asked} USING {comparison.charset})"
        whole = f"CONVERT({converted} USING utf8mb4) COLLATE utf8mb4_bin = {asked}"
        same = f"{held} = {converted} COLLATE {comparison.collation}"
        return same if comparison.charset == "utf8mb4" else f"{same} AND {whole}"

    def _listed(self, width: int) -> str:
        mariadb = getattr(self.connection.dialect, "is_mariadb", False)
        return f"{'' if mariadb else 'ROW'}({', '.join(['%s'] * width)})"

    def _lock(self, table: Reflected, lock: bool) -> str:
        return " FOR UPDATE" if lock and not table.is_view else ""
