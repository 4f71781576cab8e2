"""Adds an index from which a pull recognizes records that did not change, without reading their rows."""

from __future__ import annotations

from alembic import op

revision = "0014"
down_revision = "0013"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_index("records_known", "records", ["directory", "kind", "id", "ref", "digest", "gone_at"])
