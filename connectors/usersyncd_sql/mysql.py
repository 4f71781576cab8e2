"""MariaDB and MySQL: keys are compared exactly, whatever the column's collation says.

The usual collations take ``Ada`` and ``ada`` for the same, and would let a change of one person reach another's row.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import sqlalchemy as sa

from usersyncd_sql.tables import Key, Reflected
from usersyncd_sql.write import Writer


class MysqlWriter(Writer):
    """PyMySQL sends an INSERT of many rows as few statements."""

    def equals(self, table: Reflected, column: str, value: sa.ColumnElement[Any]) -> sa.ColumnElement[bool]:
        # The plain comparison finds the row by its index, the exact one decides.
        loose = super().equals(table, column, value)
        return loose if _exact(table, column) else sa.and_(loose, self._binary(column) == value)

    def among(self, table: Reflected, column: str, values: Sequence[Key]) -> sa.ColumnElement[bool]:
        loose = super().among(table, column, values)
        return loose if _exact(table, column) else sa.and_(loose, self._binary(column).in_(values))

    def _binary(self, column: str) -> sa.ColumnElement[Any]:
        # Converted, because a column in another character set has no utf8mb4 collation.
        name = self.connection.dialect.identifier_preparer.quote(column)
        return sa.collate(sa.literal_column(f"CONVERT({name} USING utf8mb4)"), "utf8mb4_bin")


def _exact(table: Reflected, column: str) -> bool:
    kind = table.columns[column].type
    if not isinstance(kind, sa.String) or isinstance(kind, sa.Enum):
        return True
    return str(kind.collation).endswith("_bin")
