"""The shapes of tables over which a state database was recorded, and how to look at them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from msgspec import Struct

FOLDER = Path(__file__).parent


class Shape(Struct, frozen=True):
    """One shape. ``users`` is the table of people; the others are queries, which are to work after the upgrade:

    ``rows``: email, name, active, password, and the row's own id where it has one. ``edges``: group and member by name.
    ``records``: email, directory and id of the record, where the table holds them.
    """

    name: str
    users: str
    rows: str
    edges: str
    records: str | None = None
    nested: bool = False
    directories: Sequence[str] = ("acme", "branch")
    ddl: Sequence[str] = ()
    dialects: Sequence[str] = ("sqlite",)

    def tables(self, dialect: str) -> list[str]:
        """The statements that make an application's tables."""
        serial = "INTEGER PRIMARY KEY" if dialect == "sqlite" else "SERIAL PRIMARY KEY"
        return [statement.format(serial=serial) for statement in self.ddl]

    @property
    def passwords(self) -> list[str]:
        """The statements that give every row a password of its own."""
        own = [] if self.ddl else [f"ALTER TABLE {self.users} ADD COLUMN password TEXT"]
        return [*own, f"UPDATE {self.users} SET password = 'of ' || email"]


NAMED = "CHECK (name <> 'Refused')"
BY_REFERENCE = (
    "SELECT g.name, u.email FROM app_user_group JOIN app_group g ON g.{group} = group_id "
    "JOIN app_user u ON u.{user} = user_id"
)
SHAPES = (
    Shape(
        name="own",
        users="users",
        rows="SELECT email, display_name, active, password, id FROM users",
        edges="SELECT g.display_name, coalesce(u.email, n.display_name) FROM group_members m "
        "JOIN groups g ON g.directory = m.directory AND g.id = m.group_id "
        "LEFT JOIN users u ON u.directory = m.directory AND u.id = m.member_id "
        "LEFT JOIN groups n ON n.directory = m.directory AND n.id = m.member_id",
        records="SELECT email, directory, id FROM users",
        nested=True,
    ),
    Shape(
        name="ruled",
        users="users",
        rows="SELECT email, name, active, password FROM users",
        edges="SELECT g.name, coalesce(u.email, n.name) FROM group_members m "
        "JOIN groups g ON g.directory = m.directory AND g.record_id = m.group_id "
        "LEFT JOIN users u ON u.directory = m.directory AND u.record_id = m.member_id "
        "LEFT JOIN groups n ON n.directory = m.directory AND n.record_id = m.member_id",
        records="SELECT email, directory, record_id FROM users",
        nested=True,
        dialects=("sqlite", "postgresql"),
    ),
    Shape(
        name="serial",
        users="app_user",
        rows="SELECT email, name, active, password, id FROM app_user",
        edges=BY_REFERENCE.format(group="id", user="id"),
        ddl=(
            f"CREATE TABLE app_user (id {{serial}}, email VARCHAR(80) NOT NULL UNIQUE, name TEXT {NAMED}, "
            "active BOOLEAN NOT NULL, password TEXT)",
            "CREATE TABLE app_group (id {serial}, name VARCHAR(80) NOT NULL UNIQUE)",
            "CREATE TABLE app_user_group (user_id INTEGER NOT NULL REFERENCES app_user(id), "
            "group_id INTEGER NOT NULL REFERENCES app_group(id), PRIMARY KEY (user_id, group_id))",
        ),
        dialects=("sqlite", "postgresql"),
    ),
    Shape(
        name="natural",
        users="app_user",
        rows="SELECT email, name, active, password, external_id FROM app_user",
        edges=BY_REFERENCE.format(group="external_id", user="external_id"),
        directories=("acme",),
        ddl=(
            f"CREATE TABLE app_user (external_id VARCHAR(40) PRIMARY KEY, email TEXT, name TEXT {NAMED}, "
            "active BOOLEAN NOT NULL, password TEXT)",
            "CREATE TABLE app_group (external_id VARCHAR(40) PRIMARY KEY, name TEXT)",
            "CREATE TABLE app_user_group (user_id VARCHAR(40) NOT NULL REFERENCES app_user(external_id), "
            "group_id VARCHAR(40) NOT NULL REFERENCES app_group(external_id), PRIMARY KEY (user_id, group_id))",
        ),
    ),
    Shape(
        name="keyed",
        users="app_user",
        rows="SELECT email, name, active, password FROM app_user",
        edges="SELECT team, member FROM app_user_group",
        ddl=(
            f"CREATE TABLE app_user (email VARCHAR(80) PRIMARY KEY, name TEXT {NAMED}, active BOOLEAN NOT NULL, "
            "password TEXT)",
            "CREATE TABLE app_group (name VARCHAR(80) PRIMARY KEY)",
            "CREATE TABLE app_user_group (member VARCHAR(80) NOT NULL, team VARCHAR(80) NOT NULL, "
            "PRIMARY KEY (member, team))",
        ),
    ),
)


def config(folder: Path, shape: Shape, state: str, target: str, guard: str) -> Path:
    """The shape's configuration for these databases."""
    file = folder / "config.yaml"
    text = (FOLDER / shape.name / "config.yaml").read_text()
    file.write_text(text.format(state=state, target=target, guard=guard))
    return file
