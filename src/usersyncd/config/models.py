"""The configuration as the program uses it: frozen, whole, with every default filled in."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, timedelta, tzinfo
from pathlib import Path

from msgspec import Struct
from pydantic import BaseModel

from usersyncd.config.duration import Complete
from usersyncd.config.excerpt import Excerpts
from usersyncd.config.lookups import FileStamp
from usersyncd.core.model import Adopt, DriftPolicy, Guard, Leavers, MembershipMode, Rule, Ruleset
from usersyncd.core.protection import Protection
from usersyncd.plugin import Kind, Secret


class StateConfig(Struct, frozen=True):
    """The state database: ``url`` is absolute and holds no password."""

    url: str
    password: Secret | None = None


class DirectoryConfig(Struct, frozen=True):
    """One configured directory. ``options`` is an instance of the connector's own ``Options``; ``attributes`` are the
    admin's own origins of canonical attributes. ``was``: the name that it had before. ``after_approval``: its first
    delivery to each target is held until a person approves it."""

    name: str
    connector: str
    every: timedelta
    complete: Complete | None
    options: BaseModel
    attributes: Mapping[Kind, Mapping[str, Rule]]
    was: str | None = None
    after_approval: bool = False


class TargetConfig(Struct, frozen=True):
    """One configured target. ``directories`` are the names of those that it receives, never empty; ``protect`` has the
    kinds of which something is protected. ``after_approval``: the first delivery of each directory is held until a
    person approves it."""

    name: str
    connector: str
    options: BaseModel
    directories: tuple[str, ...]
    users: Ruleset
    groups: Ruleset
    memberships: MembershipMode
    leavers: Leavers
    guard: Guard
    adopt: Adopt = "first"
    protect: Mapping[Kind, Protection] = {}
    verify: Complete | None = None
    drift: DriftPolicy = DriftPolicy()
    timezone: tzinfo = UTC
    after_approval: bool = False


class Config(Struct, frozen=True):
    """A valid configuration. ``file`` is as the user named it; ``folder`` is absolute, and relative paths are relative
    to it. ``excerpts`` are its lines, for faults that are found later. ``lookup_files`` are the files of the lookup
    tables, each with its stamp from before it was read (None: it could not be looked at)."""

    file: Path
    folder: Path
    state: StateConfig
    directories: Mapping[str, DirectoryConfig]
    targets: Mapping[str, TargetConfig]
    lookups: Mapping[str, Mapping[str, str]]
    excerpts: Excerpts
    lookup_files: Mapping[Path, FileStamp | None]
