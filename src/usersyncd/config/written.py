"""The models of the configuration file as the admin writes it. They validate it, and their texts document it in the
JSON Schema."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import timedelta
from typing import Annotated, Any, Literal
from zoneinfo import ZoneInfo

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Discriminator,
    Field,
    PlainValidator,
    Tag,
    WithJsonSchema,
)

from usersyncd.config.duration import (
    DAILY,
    PERCENT,
    UNLIMITED,
    Complete,
    complete,
    delay,
    limit,
    window,
)
from usersyncd.config.section import FileSection
from usersyncd.config.web import WebSection
from usersyncd.config.zone import zone
from usersyncd.core.model import Adopt, Guard, Limit
from usersyncd.nearest import nearest
from usersyncd.plugin import CANONICAL, DURATION, Kind, Secret, duration, scheme_lowered

NAME = r"^[a-z0-9][a-z0-9_-]*$"
STATE_SCHEMES = ("sqlite", "postgresql")


def _name(value: str) -> str:
    if not re.fullmatch(NAME, value):
        raise ValueError("a name has small letters, digits, - and _ only, and begins with a letter or a digit")
    return value


def _mappable(value: str) -> str:
    if value == "id":
        raise ValueError("id is the directory's own immutable id: it cannot be mapped")
    if value not in _MAPPABLE:
        raise ValueError(f"is not a canonical attribute of users{nearest(value, _MAPPABLE)}")
    return value


def _expression(value: str) -> str:
    if not value.strip():
        raise ValueError("must not be empty")
    return value


def _state_url(value: str) -> str:
    value = scheme_lowered(value)
    scheme, separator, rest = value.partition("://")
    if not separator or scheme.partition("+")[0] not in STATE_SCHEMES:
        raise ValueError("must be a URL that begins with sqlite:/// or postgresql://")
    if scheme.startswith("sqlite") and (not rest.startswith("/") or rest in {"/", "/:memory:"}):
        raise ValueError("must name a file, as in sqlite:///var/state.db: a database in memory is lost at the end")
    return value


_MAPPABLE = tuple(name for name in CANONICAL[Kind.USER] if name != "id")
_DURATION_OR_NOW = {"anyOf": [{"const": "now"}, {"type": "string", "pattern": DURATION, "minLength": 2}]}
_LIMIT = {
    "anyOf": [{"type": "string", "pattern": PERCENT}, {"type": "integer", "minimum": 0}, {"const": UNLIMITED}],
}

Name = Annotated[str, AfterValidator(_name), WithJsonSchema({"type": "string", "pattern": NAME})]
Mappable = Annotated[str, AfterValidator(_mappable), WithJsonSchema({"type": "string", "enum": list(_MAPPABLE)})]
Expression = Annotated[str, AfterValidator(_expression), WithJsonSchema({"type": "string", "minLength": 1})]
StateUrl = Annotated[
    str,
    AfterValidator(_state_url),
    WithJsonSchema({"type": "string", "pattern": "^(sqlite|postgresql)(\\+[a-z0-9]+)?://"}),
]
Every = Annotated[
    timedelta, PlainValidator(duration), WithJsonSchema({"type": "string", "pattern": DURATION, "minLength": 2})
]
Whole = Annotated[
    Complete,
    PlainValidator(complete),
    WithJsonSchema(
        {"anyOf": [{"type": "string", "pattern": DAILY}, {"type": "string", "pattern": DURATION, "minLength": 2}]}
    ),
]
Delay = Annotated[timedelta, PlainValidator(delay), WithJsonSchema(_DURATION_OR_NOW)]
Amount = Annotated[Limit | None, PlainValidator(limit), WithJsonSchema(_LIMIT)]
Period = Annotated[
    timedelta, PlainValidator(window), WithJsonSchema({"type": "string", "pattern": DURATION, "minLength": 2})
]


Zone = Annotated[ZoneInfo, PlainValidator(zone), WithJsonSchema({"type": "string", "minLength": 1})]


# Tags of unions have a form that no key has, so that they are not mistaken for a step of a path in the file.
def _shape(value: Any) -> str | None:
    return "<text>" if isinstance(value, str) else "<mapping>" if isinstance(value, Mapping) else None


def _table(value: Any) -> str | None:
    if not isinstance(value, Mapping):
        return None
    return "<file>" if "file" in value and value.keys() <= {"file", "key", "value"} else "<table>"


def _protected(value: Any) -> str | None:
    return "<list>" if isinstance(value, list) else _shape(value)


class StateSection(FileSection):
    """The database that holds the snapshots, what was delivered, the runs and the journal."""

    url: StateUrl
    """SQLite (a relative path is relative to this file) or PostgreSQL. The URL must not contain a password."""
    password: Secret | None = None
    """The database password, by reference."""


class ConstantValue(BaseModel):
    """A constant, instead of an expression."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, use_attribute_docstrings=True)

    value: Any
    """Text, a number, true, false, nothing, a list or a mapping."""


Attributes = dict[
    Expression,
    Annotated[
        Annotated[Expression, Tag("<text>")] | Annotated[ConstantValue, Tag("<mapping>")],
        Discriminator(
            _shape,
            custom_error_type="shape",
            custom_error_message="must be a CEL expression as text, or a constant as {value: …}",
        ),
    ],
]


class RulesSection(FileSection):
    """The rules for one kind of record: which records the target gets, what identifies them there, and their
    attributes there."""

    where: Expression | None = None
    """A CEL expression that says which records the target gets. Left out: all."""
    key: Expression | None = None
    """The attribute that identifies a record in the target: one of the names under `set`, or a canonical name without
    `set`."""
    set: Attributes | None = Field(default=None, min_length=1)
    """The attributes of the record in the target: name → CEL expression, or {value: …} for a constant. Left out: the
    canonical attributes as they are."""


class LeaversSection(FileSection):
    """What happens to users who left the directory, and to users that `where` no longer includes."""

    delete_after: Delay | None = None
    """How long after their deactivation leavers are deleted; `now` deletes them at once, without deactivating them.
    Left out: they are kept."""
    set: Attributes | None = Field(default=None, min_length=1)
    """What a deactivation writes instead of `active`: name → CEL expression, or {value: …} for a constant. The
    expression reads the user as it was last in the directory; `now()` is the moment of leaving. A user who returns gets
    the values of `users.set`."""


def _limit(name: str) -> Any:
    default: Limit | None = getattr(Guard(), name)
    shown = UNLIMITED if default is None else str(default)
    return Field(default_factory=lambda: default, json_schema_extra={"default": shown})


class GuardSection(FileSection):
    """The limits of a plan, counted together with the changes of the last `window` that are still in effect. A plan
    that exceeds a limit is held: nothing of it is delivered until a person approves it. Each limit is a percentage of
    what the target holds, a number of objects, or `unlimited`."""

    deletes: Amount = _limit("deletes")
    """Deleted users, as a part of the users; deleted groups, as a part of the groups."""
    deactivations: Amount = _limit("deactivations")
    """Deactivated users, as a part of the active users."""
    member_removals: Amount = _limit("member_removals")
    """Removed memberships, as a part of the memberships."""
    adoptions: Amount = _limit("adoptions")
    """Users and groups that are adopted because an id changed, or by `adopt: always`, as a part of the users and
    groups."""
    reactivations: Amount = _limit("reactivations")
    """Users who are activated again, as a part of the inactive users."""
    updates: Amount = _limit("updates")
    """Users whose attributes change, as a part of the users; the same for groups."""
    blanked: Amount = _limit("blanked")
    """Users that lose the value of an attribute, as a part of those that had one; the same for groups."""
    emptied: Amount = _limit("emptied")
    """Groups that lose their last member, as a part of the groups that have members."""
    at_least: int = Field(default=10, ge=0)
    """A limit is not checked if fewer objects than this are concerned."""
    window: Period = Field(default_factory=lambda: Guard().window, json_schema_extra={"default": "1d"})
    """How long a delivered change counts together with later plans: 1h, 1d, 7d. At most 90d."""


Drift = Annotated[
    Annotated[Literal["keep"], Tag("<text>")]
    | Annotated[Annotated[dict[Expression, Literal["keep"]], Field(min_length=1)], Tag("<mapping>")],
    Discriminator(
        _shape,
        custom_error_type="shape",
        custom_error_message="must be keep, or the attributes that are kept: {title: keep}",
    ),
]
Keys = list[str | int]
Protected = Annotated[
    Annotated[Keys, Tag("<list>")] | Annotated[Expression, Tag("<text>")],
    Discriminator(
        _protected,
        custom_error_type="shape",
        custom_error_message="must be a list of keys, or a condition over the target's columns as text",
    ),
]


class ProtectSection(FileSection):
    """The objects of the target that are never adopted, changed or removed, for each kind."""

    users: Protected | None = None
    """Keys of users, or a CEL condition over the columns of the target's users."""
    groups: Protected | None = None
    """Keys of groups, or a CEL condition over the columns of the target's groups."""


class DirectorySection(FileSection):
    """A directory: where people and groups are read from."""

    connector: str
    """The source connector that reads it (`usersyncd connectors` lists them)."""
    every: Every = Field(default_factory=lambda: timedelta(minutes=15), json_schema_extra={"default": "15m"})
    """How often it is read: 30s, 15m, 2h, 1h30m."""
    complete: Whole | None = None
    """When to read everything again, not only changes: “daily at 02:00” (local time), or a duration. Left out: only
    when the connector needs it."""
    options: dict[str, Any] = Field(default={})
    """The connector's own options."""
    attributes: dict[Mappable, Expression] = Field(default={})
    """Where a canonical attribute of users comes from: a native name, or an expression over `raw`."""
    was: Name | None = None
    """The former name of the directory. Its people keep their accounts under the new name. This entry may stay."""
    deliver: Literal["after_approval"] | None = None
    """`after_approval`: the first delivery to each target is held whole until a person approves it. Left out: it is
    delivered like every other one."""


class TargetSection(FileSection):
    """A target: where people and groups are delivered to."""

    connector: str
    """The target connector that delivers to it (`usersyncd connectors` lists them)."""
    options: dict[str, Any] = Field(default={})
    """The connector's own options."""
    directories: list[str] | None = Field(default=None, min_length=1)
    """The directories whose people and groups it gets. Left out: all."""
    timezone: Zone | None = None
    """The time zone in which dates without a time and `today()` count, such as Europe/Berlin. Left out: the
    machine's."""
    users: RulesSection = Field(default_factory=lambda: RulesSection())
    """The rules for users."""
    groups: RulesSection = Field(default_factory=lambda: RulesSection())
    """The rules for groups."""
    memberships: Literal["flattened", "direct"] = "flattened"
    """`flattened`: a group holds every user who is in it directly or through nested groups. `direct`: as in the
    directory."""
    leavers: LeaversSection = Field(default_factory=lambda: LeaversSection())
    """What happens to users who left."""
    adopt: Adopt = "first"
    """When users and groups that the target had before are adopted without a person's consent: `first` (until the
    target has answered its first delivery completely), `always`, or `never`."""
    protect: (
        Annotated[
            Annotated[Keys, Tag("<list>")]
            | Annotated[Expression, Tag("<text>")]
            | Annotated[ProtectSection, Tag("<mapping>")],
            Discriminator(
                _protected,
                custom_error_type="shape",
                custom_error_message="must be a list of keys, a condition over the target's columns as text, or "
                "{users, groups}",
            ),
        ]
        | None
    ) = None
    """The objects of the target that are never adopted, changed or removed, including their memberships: a list of
    keys; a CEL condition over the columns of the target's users; or {users, groups}, each with one of these."""
    guard: GuardSection = Field(default_factory=lambda: GuardSection())
    """The limits of one plan."""
    verify: Whole | None = None
    """When to compare what the target holds with what was delivered, and to restore what differs: “daily at 03:00”
    (local time), or a duration. Left out: only with `sync --verify`."""
    drift: Drift | None = None
    """Attributes that a verification leaves as somebody set them in the target: `keep` for all, or {title: keep}."""
    deliver: Literal["after_approval"] | None = None
    """`after_approval`: the first delivery of each directory is held whole until a person approves it. Left out: it is
    delivered like every other one."""


class LookupFile(FileSection):
    """A lookup table that is read from a CSV file when the configuration is loaded."""

    file: str
    """The CSV file (UTF-8, with a header line); relative to this file."""
    key: str
    """The column that is looked up."""
    value: str
    """The column whose value is the result."""


class ConfigFile(FileSection):
    """The configuration of usersyncd."""

    state: (
        Annotated[
            Annotated[StateUrl, Tag("<text>")] | Annotated[StateSection, Tag("<mapping>")],
            Discriminator(
                _shape, custom_error_type="shape", custom_error_message="must be a URL as text, or {url, password}"
            ),
        ]
        | None
    ) = None
    """The state database: a URL, or {url, password}. Left out: usersyncd.db in systemd's state directory, or beside
    this file."""
    directories: dict[Name, DirectorySection] = Field(min_length=1)
    """The directories, by name."""
    targets: dict[Name, TargetSection] = Field(default={})
    """The targets, by name."""
    lookups: dict[
        str,
        Annotated[
            Annotated[dict[str, str], Tag("<table>")] | Annotated[LookupFile, Tag("<file>")],
            Discriminator(
                _table,
                custom_error_type="shape",
                custom_error_message="must be a table {key: value}, or {file, key, value} for a CSV file",
            ),
        ],
    ] = Field(default={})
    """Tables for `lookup(table, key)` in expressions."""
    web: WebSection | None = None
    """The web service of the daemon: directories that push, events, and the API. Left out: there is none."""
