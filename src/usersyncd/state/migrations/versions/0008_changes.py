"""Adds an index from names to the groups that use them, and the records that entered or left each group, so that the
cost of a pull follows its changes."""

from __future__ import annotations

from array import array
from bisect import bisect_left
from collections import defaultdict
from collections.abc import Iterator
from itertools import pairwise

import sqlalchemy as sa
from alembic import op

from usersyncd.core.digest import pack, unpack
from usersyncd.state import bulk

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None

GROUP = 1
PART = 1_000_000
"""How many edges are in memory at a time."""
UNCLEAR = sa.text("unresolved IS NOT NULL OR ambiguous IS NOT NULL")


def upgrade() -> None:
    _add_kinds()
    _create()
    connection = op.get_bind()
    for directory in list(connection.scalars(sa.text("SELECT id FROM directories"))):
        _index(connection, directory)
    # Earlier versions did not store who entered or left: a target that does not have everything yet starts again.
    op.execute(
        "UPDATE target_progress SET fingerprint = '' WHERE revision < "
        "(SELECT d.revision FROM directories d WHERE d.id = target_progress.directory)"
    )
    op.drop_column("memberships", "revision")


def _add_kinds() -> None:
    kind = sa.Column(
        "kind", sa.SmallInteger(), nullable=False, server_default=sa.text("0"), comment="of the record: 0 user, 1 group"
    )
    op.add_column("names", kind)
    op.execute(f"UPDATE names SET kind = {GROUP} WHERE ref IN (SELECT ref FROM records WHERE kind = {GROUP})")  # noqa: S608


def _create() -> None:
    ref = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
    op.create_index("memberships_unclear", "memberships", ["directory"], sqlite_where=UNCLEAR, postgresql_where=UNCLEAR)
    op.create_table(
        "groups_by_name",
        _directory(),
        sa.Column("name", sa.BigInteger(), primary_key=True, autoincrement=False, comment="hash of an id or handle"),
        sa.Column(
            "groups", sa.LargeBinary(), nullable=False,
            comment="refs of the groups that name a member so: sorted uint32",
        ),
        sqlite_with_rowid=False,
    )  # fmt: skip
    op.create_table(
        "membership_changes",
        _directory(),
        sa.Column(
            "revision",
            sa.BigInteger(),
            primary_key=True,
            autoincrement=False,
            comment="the pull that changed the group",
        ),
        sa.Column("ref", ref, primary_key=True, autoincrement=False, comment="the group"),
        sa.Column(
            "users", sa.LargeBinary(), nullable=False, comment="refs of the users that entered or left: sorted uint32"
        ),
        sa.Column(
            "groups", sa.LargeBinary(), nullable=False, comment="refs of the groups that entered or left: sorted uint32"
        ),
        sqlite_with_rowid=False,
    )


def _directory() -> sa.Column[int]:
    return sa.Column("directory", sa.Integer(), sa.ForeignKey("directories.id"), primary_key=True)


def _index(connection: sa.Connection, directory: int) -> None:
    """Fill groups_by_name from the memberships, one range of names at a time."""
    table = sa.Table("groups_by_name", sa.MetaData())
    mine = {"directory": directory}
    total = connection.scalar(sa.text("SELECT sum(count) FROM memberships WHERE directory = :directory"), mine) or 0
    parts = int(total) // PART + 1
    for low, high in pairwise(2**64 * part // parts - 2**63 for part in range(parts + 1)):
        found: defaultdict[int, list[int]] = defaultdict(list)
        for ref, blob in connection.execute(
            sa.text("SELECT ref, names FROM memberships WHERE directory = :directory ORDER BY ref"), mine
        ):
            numbers = unpack("q", blob)
            for number in numbers[bisect_left(numbers, low) : bisect_left(numbers, high)]:
                found[number].append(ref)
        bulk.insert(connection, table, ("directory", "name", "groups"), _rows(directory, found))


def _rows(directory: int, found: dict[int, list[int]]) -> Iterator[bulk.Row]:
    return ((directory, name, pack(array("I", found[name]))) for name in sorted(found))
