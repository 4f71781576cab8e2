"""Adds the streams of events targets, and the endpoints that follow them."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0013"
down_revision = "0012"
branch_labels = None
depends_on = None

_STREAMED = sa.text("stream IS NOT NULL")


def upgrade() -> None:
    for column in (
        sa.Column(
            "stream",
            sa.Integer(),
            comment="the target in whose stream the change is; none: in no stream, or pruned from it",
        ),
        sa.Column(
            "event", sa.BigInteger(), comment="the number of its first event; a membership has one event per member"
        ),
        sa.Column("target_id", sa.Text(), comment="the id of the object in the stream"),
        sa.Column("at", sa.Text(), comment="when its events occurred (UTC); none: it never had any"),
        sa.Column("redacted", sa.SmallInteger(), comment="1: key, before and after were erased"),
    ):
        op.add_column("journal", column)
    op.create_index(
        "journal_stream",
        "journal",
        ["stream", "event"],
        unique=True,
        sqlite_where=_STREAMED,
        postgresql_where=_STREAMED,
    )
    op.create_table(
        "streams",
        _target(),
        sa.Column(
            "epoch",
            sa.Text(),
            nullable=False,
            comment="the identity of the numbers' history: another one after a restore",
        ),
        sa.Column("next", sa.BigInteger(), nullable=False, comment="the number of the next event"),
        sa.Column(
            "pruned", sa.BigInteger(), nullable=False, comment="events up to this number are not served any more"
        ),
        sa.Column(
            "pruned_id", sa.Text(), nullable=False, comment="the id of that event; empty: there is none of this epoch"
        ),
        sa.Column("key", sa.LargeBinary(), nullable=False, comment="authenticates the cursors that readers got"),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "stream_objects",
        _target(),
        sa.Column("ref", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), primary_key=True, autoincrement=False),
        sa.Column("version", sa.BigInteger(), nullable=False, comment="the number of the last event about the object"),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "endpoints",
        _target(),
        sa.Column("name", sa.Text(), primary_key=True),
        sa.Column(
            "cursor", sa.BigInteger(), nullable=False, comment="every event up to this one is acknowledged or parked"
        ),
        sa.Column(
            "acknowledged", sa.Text(), nullable=False, comment="JSON: the numbers above the cursor that are, too"
        ),
        sa.Column("failures", sa.Integer(), nullable=False, comment="attempts that failed since the last success"),
        sa.Column("next_attempt", sa.Text(), comment="until when the endpoint is left alone (UTC)"),
        sa.Column("succeeded_at", sa.Text()),
        sa.Column("stopped", sa.Text(), comment="disabled or given_up: nothing is sent any more; none: it is in use"),
        sa.Column("stopped_at", sa.Text()),
        sa.Column("error", sa.Text(), comment="why it was stopped, or why the last attempt failed"),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "parked",
        _target(),
        sa.Column("endpoint", sa.Text(), primary_key=True),
        sa.Column("event", sa.BigInteger(), primary_key=True, autoincrement=False, comment="its number in the stream"),
        sa.Column("object", sa.Text(), nullable=False, comment="the object that it is about: later events of it wait"),
        sa.Column(
            "attempts",
            sa.Integer(),
            nullable=False,
            comment="that failed; 0: it waits for an earlier event of the object",
        ),
        sa.Column("next_attempt", sa.Text(), comment="none: at once"),
        sa.Column("dead", sa.SmallInteger(), nullable=False, comment="1: it is not sent any more"),
        sa.Column("error", sa.Text()),
        sqlite_with_rowid=False,
    )


def _target() -> sa.Column[int]:
    return sa.Column("target", sa.Integer(), sa.ForeignKey("targets.id"), primary_key=True)
