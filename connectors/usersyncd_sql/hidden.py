"""Rows that PostgreSQL's row-level security may hide: a row that is not found may still exist."""

from __future__ import annotations

import sqlalchemy as sa

from usersyncd_sql.comparison import TABLE
from usersyncd_sql.reflected import Reflected

HIDES = f"""
WITH policy AS (
    SELECT polpermissive AS permissive, pg_get_expr(polqual, polrelid) AS condition
    FROM pg_policy
    WHERE polrelid = {TABLE} AND polcmd IN ('r', '*')
      AND EXISTS (SELECT FROM unnest(polroles) AS role
                  WHERE CASE role WHEN 0 THEN true ELSE pg_has_role(role, 'USAGE') END)
)
SELECT row_security_active({TABLE})
   AND (NOT EXISTS (SELECT FROM policy WHERE permissive AND condition = 'true')
        OR EXISTS (SELECT FROM policy WHERE NOT permissive AND condition <> 'true'))
"""  # noqa: S608 - no name is in the text

REMEDY = "add a policy FOR SELECT USING (true) for the user of the URL, or make it BYPASSRLS"


def may_hide(connection: sa.Connection, table: Reflected) -> bool:
    """Whether the user of the URL may not see all rows of a table."""
    if connection.dialect.name != "postgresql":
        return False
    return bool(connection.scalar(sa.text(HIDES), {"schema": table.light.schema, "name": table.name}))


def hidden(table: Reflected, what: str) -> str:
    """The reason for refusing a change of a row that was not found; ``what``: the row."""
    return f"table `{table.name}` shows no {what}, but row-level security may hide it\n  → {REMEDY}"
