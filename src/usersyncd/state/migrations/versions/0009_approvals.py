"""Adds held changes, and people's decisions about them."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "held",
        *_share(),
        sa.Column("hash", sa.Text(), nullable=False, comment="core.approvals.hash_of the changes"),
        sa.Column("since", sa.Text(), nullable=False, comment="when a run first held exactly these changes"),
        sa.Column("first", sa.SmallInteger(), nullable=False, comment="1: the first delivery, held whole"),
        sa.Column("identities", sa.LargeBinary(), nullable=False, comment="gzip: a line of JSON for each"),
        sa.Column("changes", sa.LargeBinary(), nullable=False, comment="gzip: a line of JSON for each"),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "decisions",
        *_share(),
        sa.Column("number", sa.BigInteger(), primary_key=True, autoincrement=False),
        sa.Column("approved", sa.SmallInteger(), nullable=False, comment="1 approved, 0 rejected"),
        sa.Column("by", sa.Text(), nullable=False, comment="who: the real user under sudo"),
        sa.Column("at", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text()),
        sa.Column("hash", sa.Text(), nullable=False, comment="that of the changes that were shown"),
        sa.Column("changes", sa.Integer(), nullable=False, comment="how many were decided"),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "decided",
        *_share(),
        sa.Column("digest", sa.BigInteger(), primary_key=True, autoincrement=False, comment="of the identity"),
        sa.Column("identity", sa.Text(), nullable=False, comment="core.approvals.identity of a harmful change"),
        sa.Column("decision", sa.BigInteger(), nullable=False, comment="the number of the last decision about it"),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "losses",
        sa.Column("directory", sa.Integer(), sa.ForeignKey("directories.id"), primary_key=True),
        sa.Column("kind", sa.SmallInteger(), primary_key=True, autoincrement=False, comment="0 user, 1 group"),
        sa.Column("attribute", sa.Text(), primary_key=True, comment="the one that all records lost in a pull"),
        sa.Column("count", sa.Integer(), nullable=False, comment="how many records had it"),
        sa.Column("since", sa.Text(), nullable=False, comment="when a pull was first discarded for it"),
        sa.Column("decision", sa.BigInteger(), comment="the number of the approval; none: nobody approved the loss"),
        sa.Column("by", sa.Text(), comment="who: the real user under sudo"),
        sa.Column("at", sa.Text()),
        sa.Column("reason", sa.Text()),
        sqlite_with_rowid=False,
    )


def _share() -> tuple[sa.Column[int], sa.Column[int]]:
    return (
        sa.Column("target", sa.Integer(), sa.ForeignKey("targets.id"), primary_key=True),
        sa.Column("directory", sa.Integer(), sa.ForeignKey("directories.id"), primary_key=True),
    )
