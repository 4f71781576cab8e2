"""The configuration as the program uses it: frozen and complete, with all defaults."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, timedelta, tzinfo
from pathlib import Path

from msgspec import Struct
from pydantic import BaseModel

from usersyncd.config.duration import Complete
from usersyncd.config.excerpt import Excerpts
from usersyncd.config.lookups import FileStamp
from usersyncd.config.web import WebConfig
from usersyncd.core.model import Adopt, DriftPolicy, Guard, Leavers, MembershipMode, Rule, Ruleset
from usersyncd.core.protection import Protection
from usersyncd.plugin import Kind, Secret


class StateConfig(Struct, frozen=True):
    """The state database: ``url`` is absolute and holds no password."""

    url: str
    password: Secret | None = None


class DirectoryConfig(Struct, frozen=True):
    """One configured directory. ``options`` is an instance of the connector's ``Options``. ``attributes``: where
    canonical attributes come from, if the admin says so. ``was``: its former name. ``after_approval``: its first
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
    """One configured target. ``directories``: the names of the directories that it lists, at least one. ``protect`` has
    only the kinds of which objects are protected. ``after_approval``: the first delivery of each directory is held
    until a person approves it."""

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
    """A valid configuration.

    ``file`` is the path that the user gave. ``folder`` is absolute; relative paths in the file start there.
    ``excerpts`` has the lines of the file, for faults that are found later. ``lookup_files`` has the stamp of each file
    of a lookup table from before the file was read; None: the file system did not give it.
    """

    file: Path
    folder: Path
    state: StateConfig
    directories: Mapping[str, DirectoryConfig]
    targets: Mapping[str, TargetConfig]
    lookups: Mapping[str, Mapping[str, str]]
    excerpts: Excerpts
    lookup_files: Mapping[Path, FileStamp | None]
    web: WebConfig | None = None
