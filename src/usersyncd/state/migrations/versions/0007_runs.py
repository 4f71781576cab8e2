"""Makes pulls and deliveries runs of their own, and adds the moments at which records have to be shaped again."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None

Ref = sa.BigInteger().with_variant(sa.Integer, "sqlite")


def upgrade() -> None:
    op.rename_table("deliveries", "target_progress")
    # A first delivery that did not end may have created objects in the target.
    op.execute(
        "INSERT INTO target_progress (directory, target, revision, fingerprint) "
        "SELECT DISTINCT records.directory, links.target, -1, '' FROM links JOIN records ON records.ref = links.ref "
        "WHERE NOT EXISTS (SELECT 1 FROM target_progress WHERE target_progress.target = links.target "
        "AND target_progress.directory = records.directory)"
    )
    op.add_column(
        "directories",
        sa.Column(
            "complete", sa.SmallInteger(), nullable=False, server_default=sa.text("0"),
            comment="1: the last pull was complete",
        ),
    )  # fmt: skip
    _runs()
    op.create_table(
        "moments",
        sa.Column("target", sa.Integer(), sa.ForeignKey("targets.id"), primary_key=True),
        sa.Column("ref", Ref, primary_key=True, autoincrement=False),
        sa.Column(
            "at",
            sa.Text(),
            nullable=False,
            comment="when (UTC) the record is to be shaped again: until then its shape holds",
        ),
        sqlite_with_rowid=False,
    )
    op.create_index("moments_at", "moments", ["target", "at"])
    left = sa.text("left_at IS NOT NULL")
    op.create_index("links_left", "links", ["target", "left_at"], sqlite_where=left, postgresql_where=left)
    op.create_table(
        "outcomes",
        sa.Column("target_name", sa.Text(), primary_key=True, comment="what the configuration calls the target"),
        sa.Column("directory_name", sa.Text(), primary_key=True),
        sa.Column("run", sa.Text(), nullable=False, comment="the last delivery of the directory to the target"),
        sa.Column("status", sa.Text(), nullable=False),
        sa.Column("delivered_at", sa.Text(), comment="when the last delivery began that reached the target"),
        sa.Column("succeeded_at", sa.Text(), comment="when the last delivery began that failed nowhere"),
        sqlite_with_rowid=False,
    )


def _runs() -> None:
    """A run of a directory contained the deliveries to its targets (kind 0). Now each pull and delivery is a run."""
    op.drop_index("runs_directory", "runs")
    op.execute("ALTER TABLE runs RENAME COLUMN directory TO subject")
    kind = sa.Column(
        "kind", sa.SmallInteger(), nullable=False, server_default=sa.text("0"), comment="state.journal.RunKind"
    )
    op.add_column("runs", kind)
    op.create_index("runs_subject", "runs", ["kind", "subject", "number"])
    op.add_column("journal", sa.Column("directory", sa.Text()))
    op.execute("UPDATE journal SET directory = (SELECT subject FROM runs WHERE runs.id = journal.run)")
