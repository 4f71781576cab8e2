"""Adds the order of runs, the harm that they did, names and verifications of targets, and renamed directories."""

from __future__ import annotations

from datetime import datetime, timedelta

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

_LONGEST = timedelta(days=9)
_REF = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    op.create_table(
        "target_names",
        sa.Column("name", sa.Text(), primary_key=True, comment="what the configuration calls a target"),
        sa.Column(
            "target", sa.Integer(), sa.ForeignKey("targets.id"), nullable=False, comment="which one that was last"
        ),
    )
    op.execute("INSERT INTO target_names (name, target) SELECT name, max(id) FROM targets GROUP BY name")
    op.create_table(
        "harms",
        sa.Column("target", sa.Integer(), sa.ForeignKey("targets.id"), primary_key=True),
        sa.Column("directory", sa.Integer(), sa.ForeignKey("directories.id"), primary_key=True),
        sa.Column("sort", sa.SmallInteger(), primary_key=True, autoincrement=False, comment="core.guard.Sort"),
        sa.Column(
            "ref", _REF, primary_key=True, autoincrement=False, comment="the record that was changed, or the group"
        ),
        sa.Column("attribute", sa.Text(), primary_key=True, comment="the one that was emptied; empty for other sorts"),
        sa.Column("kind", sa.SmallInteger(), comment="0 user, 1 group; none: both are counted together"),
        sa.Column(
            "run", sa.BigInteger(), primary_key=True, autoincrement=False, comment="the number of the run that did it"
        ),
        sa.Column("members", sa.LargeBinary(), comment="refs that were removed from the group: sorted uint32"),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "verifications",
        sa.Column("target", sa.Integer(), sa.ForeignKey("targets.id"), primary_key=True),
        sa.Column("directory", sa.Integer(), sa.ForeignKey("directories.id"), primary_key=True),
        sa.Column("at", sa.Text(), comment="when the target was compared with its links; none: the next run has to"),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "renames",
        sa.Column("target", sa.Integer(), sa.ForeignKey("targets.id"), primary_key=True),
        sa.Column("directory", sa.Integer(), sa.ForeignKey("directories.id"), primary_key=True),
        sa.Column("was", sa.Text(), primary_key=True, comment="a name of the directory that the target may still have"),
        sqlite_with_rowid=False,
    )
    with op.batch_alter_table("runs") as runs:
        runs.add_column(
            sa.Column("number", sa.BigInteger(), nullable=True, comment="their order, whatever the clock said")
        )
        runs.add_column(
            sa.Column(
                "elapsed",
                sa.BigInteger(),
                nullable=True,
                comment="milliseconds from the directory's first run: the gaps between its runs, long ones cut short",
            )
        )
    _number_runs()
    with op.batch_alter_table("runs") as runs:
        runs.alter_column("number", nullable=False, existing_type=sa.BigInteger())
        runs.alter_column("elapsed", nullable=False, existing_type=sa.BigInteger())
        runs.create_unique_constraint("runs_number_key", ["number"])
        runs.drop_index("runs_directory")
        runs.create_index("runs_directory", ["directory", "number"])


def _number_runs() -> None:
    """Number the runs in the order of their ids, which begin with the time, and set ``elapsed`` from the gaps between
    the runs of each directory."""
    connection = op.get_bind()
    rows = connection.execute(sa.text("SELECT id, directory, started FROM runs ORDER BY id")).all()
    before: dict[str, tuple[datetime, int]] = {}
    for number, (id_, directory, text) in enumerate(rows, 1):
        started = datetime.fromisoformat(text)
        earlier, elapsed = before.get(directory, (started, 0))
        elapsed += min(max(started - earlier, timedelta(0)), _LONGEST) // timedelta(milliseconds=1)
        before[directory] = started, elapsed
        connection.execute(
            sa.text("UPDATE runs SET number = :number, elapsed = :elapsed WHERE id = :id"),
            {"number": number, "elapsed": elapsed, "id": id_},
        )
    if rows:
        connection.execute(sa.text("INSERT INTO counters (name, next) VALUES ('run', :next)"), {"next": len(rows) + 1})
