"""Adds what is needed for names that several records have: which record had a name first, and which groups use it."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    since = sa.Column(
        "since", sa.BigInteger(), nullable=False, server_default=sa.text("0"), comment="the pull that gave it the name"
    )
    ambiguous = sa.Column("ambiguous", sa.LargeBinary(), comment="the names that several records have: sorted int64")
    op.add_column("names", since)
    op.add_column("memberships", ambiguous)
