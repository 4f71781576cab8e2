"""MariaDB and MySQL: exact comparison of text whose collation is not exact.

The usual collations treat ``Ada`` and ``ada`` as equal, so a change of one user could reach another user's row.
"""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa

from usersyncd_sql.reflected import Reflected
from usersyncd_sql.write import Writer


class MysqlWriter(Writer):
    """PyMySQL sends an INSERT of many rows as few statements."""

    def _plain(self, table: Reflected, column: str) -> sa.ColumnElement[Any]:  # noqa: ARG002
        # The conversion is needed because a column in another character set has no utf8mb4 collation.
        converted = sa.column(column).op("USING")(sa.literal_column("utf8mb4"))
        return sa.collate(sa.func.convert(converted), "utf8mb4_bin")

    def _loosely(self, table: Reflected, held: str, column: str, asked: str) -> str:
        comparison = table.comparisons[column]
        if isinstance(table.columns[column].type, sa.Uuid):
            return f"{held} = CAST({asked} AS UUID)"
        if comparison.collation is None:
            return f"{held} = {asked}"
        # The requested values are converted to the character set and collation of the column, so that its index is
        # used. A value that the character set cannot represent matches no row.
        converted = f"CONVERT({asked} USING {comparison.charset})"
        whole = f"CONVERT({converted} USING utf8mb4) COLLATE utf8mb4_bin = {asked}"
        same = f"{held} = {converted} COLLATE {comparison.collation}"
        return same if comparison.charset == "utf8mb4" else f"{same} AND {whole}"

    def _listed(self, width: int) -> str:
        mariadb = getattr(self.connection.dialect, "is_mariadb", False)
        return f"{'' if mariadb else 'ROW'}({', '.join(['%s'] * width)})"

    def _lock(self, table: Reflected, lock: bool) -> str:
        return " FOR UPDATE" if lock and not table.is_view else ""
