"""Adds until when a record that a target refuses waits, and since when a target refuses most changes."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None


def upgrade() -> None:
    refusals = sa.Column(
        "refusals", sa.Integer(), nullable=False, server_default=sa.text("0"), comment="by the target, in a row"
    )
    op.add_column("retries", refusals)
    op.add_column("retries", sa.Column("due", sa.Text(), comment="when (UTC); null: in the next delivery"))
    since = sa.Column(
        "quarantined_at", sa.Text(), comment="since when (UTC) it refuses most changes; null: it does not"
    )
    op.add_column("targets", since)
    op.add_column("targets", sa.Column("quarantine", sa.Text(), comment="what it refused then"))
