"""Names that several records have: who had one first, and which groups name their members so."""

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
