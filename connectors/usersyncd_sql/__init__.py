"""The SQL target: PostgreSQL, MariaDB/MySQL and SQLite (docs/sql.md)."""

from usersyncd_sql.target import SqlTarget

__all__ = ["SqlTarget"]
