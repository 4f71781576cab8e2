"""Creates the first tables."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "counters",
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("next", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("name"),
    )
    op.create_table(
        "delivered",
        sa.Column("target", sa.Text(), nullable=False),
        sa.Column("ref", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), autoincrement=False, nullable=False),
        sa.Column("kind", sa.SmallInteger(), nullable=False),
        sa.Column("key", sa.Text(), nullable=False, comment="JSON: the key under which the target holds it"),
        sa.Column("digest", sa.BigInteger(), nullable=False),
        sa.Column("active", sa.SmallInteger(), nullable=False, comment="1 unless the shape says that it is not"),
        sa.Column("left_at", sa.Text(), nullable=True, comment="since when a leaver is deactivated and kept"),
        sa.Column(
            "sure",
            sa.SmallInteger(),
            nullable=False,
            comment="0 while the target was given a change and has not answered",
        ),
        sa.Column("shape", sa.Text(), nullable=False, comment="JSON"),
        sa.PrimaryKeyConstraint("target", "ref"),
        sqlite_with_rowid=False,
    )
    op.create_index("delivered_key", "delivered", ["target", "kind", "key"], unique=False)
    op.create_table(
        "delivered_members",
        sa.Column("target", sa.Text(), nullable=False),
        sa.Column(
            "ref",
            sa.BigInteger().with_variant(sa.Integer(), "sqlite"),
            autoincrement=False,
            nullable=False,
            comment="the group",
        ),
        sa.Column(
            "given",
            sa.LargeBinary(),
            nullable=True,
            comment="refs added or removed without an answer yet: sorted uint32",
        ),
        sa.Column("members", sa.LargeBinary(), nullable=False, comment="refs: sorted uint32"),
        sa.PrimaryKeyConstraint("target", "ref"),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "directories",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("cursor", sa.Text(), nullable=True, comment="what the connector needs to read only what changed"),
        sa.Column(
            "basis",
            sa.Text(),
            nullable=True,
            comment="digest of how it was read: with another one, a cursor is worth nothing",
        ),
        sa.Column("completed_at", sa.Text(), nullable=True, comment="when the last complete pull was saved"),
        sa.Column(
            "revision",
            sa.BigInteger(),
            nullable=False,
            comment="counts the saved pulls; every change bears the number of its pull",
        ),
        sa.Column("users", sa.Integer(), nullable=False),
        sa.Column("groups", sa.Integer(), nullable=False),
        sa.Column(
            "memberships", sa.Integer(), nullable=False, comment="as the directory gives them, unresolved ones included"
        ),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("name"),
    )
    op.create_table(
        "journal",
        sa.Column("run", sa.Text(), nullable=False),
        sa.Column("seq", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("target", sa.Text(), nullable=False),
        sa.Column("op", sa.Text(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("key", sa.Text(), nullable=False, comment="JSON"),
        sa.Column("before", sa.Text(), nullable=True, comment="JSON: what the change replaced"),
        sa.Column("after", sa.Text(), nullable=True, comment="JSON: what it wrote"),
        sa.Column(
            "members",
            sa.Text(),
            nullable=True,
            comment="JSON: the members added or removed",
        ),
        sa.PrimaryKeyConstraint("run", "seq"),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "retries",
        sa.Column("target", sa.Text(), nullable=False),
        sa.Column(
            "ref",
            sa.BigInteger().with_variant(sa.Integer(), "sqlite"),
            autoincrement=False,
            nullable=False,
            comment="what failed and is to be tried again",
        ),
        sa.PrimaryKeyConstraint("target", "ref"),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "runs",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("directory", sa.Text(), nullable=False),
        sa.Column("started", sa.Text(), nullable=False),
        sa.Column("finished", sa.Text(), nullable=True),
        sa.Column("status", sa.Text(), nullable=True),
        sa.Column("report", sa.Text(), nullable=True, comment="JSON: core.report.RunReport"),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index("runs_directory", "runs", ["directory", "id"], unique=False)
    op.create_table(
        "deliveries",
        sa.Column("directory", sa.Integer(), nullable=False),
        sa.Column("target", sa.Text(), nullable=False),
        sa.Column(
            "revision",
            sa.BigInteger(),
            nullable=False,
            comment="the pull up to which this target has been given everything",
        ),
        sa.Column("fingerprint", sa.Text(), nullable=False, comment="of the rules by which it was shaped"),
        sa.ForeignKeyConstraint(
            ["directory"],
            ["directories.id"],
        ),
        sa.PrimaryKeyConstraint("directory", "target"),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "memberships",
        sa.Column(
            "ref",
            sa.BigInteger().with_variant(sa.Integer(), "sqlite"),
            autoincrement=False,
            nullable=False,
            comment="the group",
        ),
        sa.Column("directory", sa.Integer(), nullable=False),
        sa.Column("digest", sa.BigInteger(), nullable=False, comment="of the names, in any order"),
        sa.Column("count", sa.Integer(), nullable=False),
        sa.Column(
            "revision", sa.BigInteger(), nullable=False, comment="the pull that last changed its users and groups"
        ),
        sa.Column("unresolved", sa.Text(), nullable=True, comment="JSON list of the ids and handles that nobody has"),
        sa.Column(
            "names", sa.LargeBinary(), nullable=False, comment="the members as the directory names them: sorted int64"
        ),
        sa.Column(
            "users", sa.LargeBinary(), nullable=False, comment="refs of the members that are users: sorted uint32"
        ),
        sa.Column(
            "groups", sa.LargeBinary(), nullable=False, comment="refs of the members that are groups: sorted uint32"
        ),
        sa.ForeignKeyConstraint(
            ["directory"],
            ["directories.id"],
        ),
        sa.PrimaryKeyConstraint("ref"),
    )
    op.create_index(op.f("ix_memberships_directory"), "memberships", ["directory"], unique=False)
    op.create_table(
        "names",
        sa.Column("directory", sa.Integer(), nullable=False),
        sa.Column("name", sa.BigInteger(), autoincrement=False, nullable=False, comment="hash of an id or handle"),
        sa.Column("ref", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), autoincrement=False, nullable=False),
        sa.ForeignKeyConstraint(
            ["directory"],
            ["directories.id"],
        ),
        sa.PrimaryKeyConstraint("directory", "name", "ref"),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "records",
        sa.Column("ref", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), autoincrement=False, nullable=False),
        sa.Column("directory", sa.Integer(), nullable=False),
        sa.Column("kind", sa.SmallInteger(), nullable=False, comment="0 user, 1 group"),
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("digest", sa.BigInteger(), nullable=False),
        sa.Column("attributes", sa.Text(), nullable=False, comment="JSON, native names"),
        sa.Column("handles", sa.Text(), nullable=True, comment="JSON list"),
        sa.Column("manager", sa.BigInteger(), nullable=True, comment="the name (see names) of a user's manager"),
        sa.Column(
            "revision", sa.BigInteger(), nullable=False, comment="the pull that last changed how it may be shaped"
        ),
        sa.Column("gone_at", sa.Text(), nullable=True),
        sa.ForeignKeyConstraint(
            ["directory"],
            ["directories.id"],
        ),
        sa.PrimaryKeyConstraint("ref"),
    )
    op.create_index("records_id", "records", ["directory", "kind", "id"], unique=True)
    op.create_index("records_manager", "records", ["directory", "manager"], unique=False)
    op.create_index("records_revision", "records", ["directory", "revision"], unique=False)
