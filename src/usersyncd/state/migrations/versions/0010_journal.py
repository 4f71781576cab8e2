"""Adds an index of the journal by the record's id, to find the changes of one record."""

from __future__ import annotations

from alembic import op

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_index("journal_id", "journal", ["id"])
