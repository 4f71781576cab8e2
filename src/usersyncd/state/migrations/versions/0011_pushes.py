"""Adds what directories that push need: when a token was last used, which full pushes are expected and what they sent,
and an index for listing resources in their order."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None


def upgrade() -> None:
    here = sa.text("coalesce(gone_at, '') = ''")
    op.create_index("records_order", "records", ["directory", "kind", "ref"], sqlite_where=here, postgresql_where=here)
    op.create_table(
        "token_uses",
        sa.Column("directory", sa.Integer(), sa.ForeignKey("directories.id"), primary_key=True),
        sa.Column("token", sa.Text(), primary_key=True, comment="the name of the token that opens the directory"),
        sa.Column("at", sa.Text(), nullable=False, comment="when the provider last used it"),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "full_pushes",
        sa.Column("directory", sa.Integer(), sa.ForeignKey("directories.id"), primary_key=True),
        sa.Column("since", sa.Text(), nullable=False, comment="since when a full push is expected"),
        sa.Column("by", sa.Text(), nullable=False, comment="who expects it: the real user under sudo"),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "seen_resources",
        sa.Column("directory", sa.Integer(), sa.ForeignKey("directories.id"), primary_key=True),
        sa.Column(
            "ref",
            sa.BigInteger().with_variant(sa.Integer(), "sqlite"),
            primary_key=True,
            autoincrement=False,
            comment="what came since the full push is expected",
        ),
        sqlite_with_rowid=False,
    )
