"""Adds an index of deleted records, which every run looks for at its end."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    left = sa.text("gone_at IS NOT NULL")
    op.create_index("records_gone", "records", ["directory"], sqlite_where=left, postgresql_where=left)
