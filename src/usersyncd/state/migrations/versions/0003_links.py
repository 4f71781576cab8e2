"""Turns delivered records into links, with the number of the target and the target's own id of each object."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

CONFIRMED, PENDING, LEAVER = 0, 1, 2


def upgrade() -> None:
    _create()
    names = " UNION ".join(f"SELECT target FROM {table}" for table in ("delivered", "deliveries", "retries"))  # noqa: S608
    op.execute(f"INSERT INTO targets (name) {names}")
    op.execute(
        "INSERT INTO links (target, ref, kind, key, digest, active, state, left_at, shape) "  # noqa: S608
        "SELECT t.id, d.ref, d.kind, d.key, d.digest, d.active, "
        f"CASE WHEN d.sure = 0 THEN {PENDING} WHEN d.left_at IS NOT NULL THEN {LEAVER} ELSE {CONFIRMED} END, "
        "d.left_at, d.shape FROM delivered d JOIN targets t ON t.name = d.target"
    )
    op.execute(
        "INSERT INTO link_members (target, ref, unanswered, members) "
        "SELECT t.id, d.ref, d.given, d.members FROM delivered_members d JOIN targets t ON t.name = d.target"
    )
    for table, columns in (("deliveries", "directory, revision, fingerprint"), ("retries", "ref")):
        picked = ", ".join(f"o.{column}" for column in columns.split(", "))
        op.execute(
            f"INSERT INTO {table}_new (target, {columns}) "  # noqa: S608
            f"SELECT t.id, {picked} FROM {table} o JOIN targets t ON t.name = o.target"
        )
        op.drop_table(table)
        op.rename_table(f"{table}_new", table)
    op.drop_table("delivered_members")
    op.drop_table("delivered")


def _create() -> None:
    op.create_table(
        "targets",
        sa.Column("id", sa.Integer(), primary_key=True),
        sa.Column(
            "identity", sa.Text(), unique=True, comment="the target's own; none until it was asked for the first time"
        ),
        sa.Column("name", sa.Text(), nullable=False, comment="what the configuration called it last"),
    )
    op.create_table(
        "links",
        _target(),
        _ref(),
        sa.Column("kind", sa.SmallInteger(), nullable=False),
        sa.Column("key", sa.Text(), nullable=False, comment="JSON: the key that the object has"),
        sa.Column("digest", sa.BigInteger(), nullable=False),
        sa.Column("active", sa.SmallInteger(), nullable=False, comment="1 unless the shape says that it is not"),
        sa.Column("state", sa.SmallInteger(), nullable=False, comment="core.links.State"),
        sa.Column("left_at", sa.Text(), comment="since when a leaver is deactivated and kept"),
        sa.Column("target_id", sa.Text(), comment="the target's own id of the object; none before contract 2"),
        sa.Column("shape", sa.Text(), nullable=False, comment="JSON: what the object was last known to hold"),
        sa.PrimaryKeyConstraint("target", "ref"),
        sqlite_with_rowid=False,
    )
    op.create_index("links_key", "links", ["target", "kind", "key"])
    op.create_index("links_object", "links", ["target", "kind", "target_id"])
    op.create_table(
        "link_members",
        _target(),
        _ref("the group"),
        sa.Column(
            "unanswered",
            sa.LargeBinary(),
            comment="refs added or removed by a run that got no answer: sorted uint32",
        ),
        sa.Column("members", sa.LargeBinary(), nullable=False, comment="refs: sorted uint32"),
        sa.PrimaryKeyConstraint("target", "ref"),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "sent",
        _target(),
        _directory(),
        sa.Column(
            "content", sa.LargeBinary(), nullable=False, comment="the batch that has no answer yet: state.sent.Sent"
        ),
        sa.PrimaryKeyConstraint("target", "directory"),
    )
    op.create_table(
        "deliveries_new",
        _directory(),
        _target(),
        sa.Column(
            "revision",
            sa.BigInteger(),
            nullable=False,
            comment="the pull up to which this target has been given everything",
        ),
        sa.Column("fingerprint", sa.Text(), nullable=False, comment="of the rules by which it was shaped"),
        sa.PrimaryKeyConstraint("directory", "target"),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "retries_new",
        _target(),
        _ref("what failed and is to be tried again"),
        sa.PrimaryKeyConstraint("target", "ref"),
        sqlite_with_rowid=False,
    )


def _ref(comment: str | None = None) -> sa.Column[int]:
    number = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
    return sa.Column("ref", number, nullable=False, autoincrement=False, comment=comment)


def _target() -> sa.Column[int]:
    return sa.Column("target", sa.Integer(), sa.ForeignKey("targets.id"), nullable=False)


def _directory() -> sa.Column[int]:
    return sa.Column("directory", sa.Integer(), sa.ForeignKey("directories.id"), nullable=False)
