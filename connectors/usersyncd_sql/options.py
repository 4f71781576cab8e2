"""The options of a ``sql`` target."""

from __future__ import annotations

from collections.abc import Mapping

from pydantic import Field, field_validator
from sqlalchemy.engine import make_url
from sqlalchemy.exc import ArgumentError

from usersyncd.plugin import Options, Secret, scheme_lowered

SCHEMES = {
    "postgresql": "postgresql+psycopg",
    "postgres": "postgresql+psycopg",
    "mysql": "mysql+pymysql",
    "mariadb": "mariadb+pymysql",
    "sqlite": "sqlite",
}
"""Scheme of the URL -> dialect and driver of SQLAlchemy."""


class Tables(Options):
    """Tables that already exist. They are never altered."""

    users: str | None = Field(default=None, description="the table of users; without it: users")
    groups: str | None = Field(default=None, description="the table of groups; without it: groups")
    memberships: str | None = Field(default=None, description="the table of memberships; without it: group_members")


class MembershipColumns(Options):
    """The columns of a membership table that has no foreign keys."""

    user: str = Field(description="the column that holds the user's key")
    group: str = Field(description="the column that holds the group's key")


class SqlOptions(Options):
    """A database: PostgreSQL, MariaDB/MySQL or SQLite."""

    url: str = Field(
        description="postgresql://user@host/database, mariadb://…, mysql://… or sqlite:///path; a path of SQLite is "
        "relative to the configuration file"
    )
    password: Secret | None = Field(default=None, description="the password of the URL's user")
    create_tables: bool = Field(
        default=False,
        description="create the tables, and add columns when new rules need them",
    )
    tables: Tables = Field(default=Tables(), description="tables that already exist")
    memberships: MembershipColumns | None = Field(
        default=None, description="the columns of the membership table, if it has no foreign keys"
    )
    # BaseModel has a method of this name.
    in_schema: str | None = Field(
        default=None, alias="schema", description="the database's schema that holds the tables"
    )

    def places(self) -> Mapping[str, object]:
        """The database with each table's configured or default name."""
        names = {
            "users": self.tables.users or "users",
            "groups": self.tables.groups or "groups",
            "memberships": self.tables.memberships or "group_members",
        }
        given = self.tables.model_dump(exclude_none=True)
        all_ = self.create_tables or not given
        return {part: (self.url, self.in_schema, name) for part, name in names.items() if all_ or part in given}

    @field_validator("url")
    @classmethod
    def _known(cls, url: str) -> str:
        url = scheme_lowered(url)
        # The messages do not repeat the URL: it may contain a password.
        try:
            parsed = make_url(url)
        except ArgumentError:
            raise ValueError("not a database URL: write postgresql://user@host/database or sqlite:///path") from None
        if parsed.drivername not in SCHEMES:
            known = ", ".join(f"{name}://" for name in SCHEMES)
            raise ValueError(f"{parsed.drivername}:// is not supported: use one of {known}")
        if not parsed.database or parsed.database == ":memory:":
            raise ValueError("the URL has no database name")
        return url
