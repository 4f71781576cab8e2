"""Adds the places where a target has its users and its groups."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "places",
        sa.Column("target", sa.Integer(), sa.ForeignKey("targets.id"), primary_key=True),
        sa.Column("kind", sa.SmallInteger(), primary_key=True, autoincrement=False),
        sa.Column(
            "place", sa.Text(), nullable=False, comment="where the target has its objects of this kind, by its own word"
        ),
        sqlite_with_rowid=False,
    )
