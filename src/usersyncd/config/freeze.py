"""Makes the frozen configuration from the models of a file without faults."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from pathlib import Path

from usersyncd.config import written
from usersyncd.config.checks import Connectors
from usersyncd.config.document import Document, KeyPath
from usersyncd.config.models import DirectoryConfig, StateConfig, TargetConfig
from usersyncd.config.rules import attribute_rules, mapping_rules, ruleset
from usersyncd.config.zone import local_zone
from usersyncd.core.model import DriftPolicy, Guard, Leavers
from usersyncd.core.protection import Protection, protected_keys
from usersyncd.core.rules.condition import Condition
from usersyncd.plugin import Kind

Conditions = Mapping[KeyPath, Condition]
"""The conditions under ``protect``, by their places."""


def state(state: str | written.StateSection | None, folder: Path) -> StateConfig:
    if state is None:
        home = os.environ.get("STATE_DIRECTORY", "").split(":")[0]
        return StateConfig(f"sqlite:///{Path(home) if home else folder}/usersyncd.db")
    if isinstance(state, str):
        return StateConfig(_absolute(state, folder))
    return StateConfig(_absolute(state.url, folder), state.password)


def _absolute(url: str, folder: Path) -> str:
    """``sqlite:///var/state.db`` is relative (three slashes), ``sqlite:////var/state.db`` is not (four)."""
    scheme, _, rest = url.partition(":///")
    if not scheme.startswith("sqlite"):
        return url
    name, mark, query = rest.partition("?")
    return f"{scheme}:///{folder / name}{mark}{query}"


def directory(document: Document, name: str, section: written.DirectorySection, options: Connectors) -> DirectoryConfig:
    place: KeyPath = ("directories", name)
    return DirectoryConfig(
        name,
        section.connector,
        section.every,
        section.complete,
        options["directories", name],
        mapping_rules(document, place),
        section.was,
        section.deliver is not None,
    )


def target(
    document: Document,
    name: str,
    section: written.TargetSection,
    options: Connectors,
    conditions: Conditions,
    everyone: tuple[str, ...],
) -> TargetConfig:
    place: KeyPath = ("targets", name)
    return TargetConfig(
        name,
        section.connector,
        options["targets", name],
        everyone if section.directories is None else tuple(section.directories),
        ruleset(document, (*place, "users")),
        ruleset(document, (*place, "groups")),
        section.memberships,
        Leavers(section.leavers.delete_after, attribute_rules(document, (*place, "leavers", "set"))),
        Guard(**{name: getattr(section.guard, name) for name in Guard.__struct_fields__}),
        section.adopt,
        dict(_protections((*place, "protect"), section.protect, conditions)),
        section.verify,
        DriftPolicy(None if section.drift == "keep" else frozenset(section.drift or ())),
        section.timezone or local_zone(),
        section.deliver is not None,
    )


def _protections(
    place: KeyPath, section: written.ProtectSection | written.Keys | str | None, conditions: Conditions
) -> Iterator[tuple[Kind, Protection]]:
    match section:
        case list():
            yield from ((kind, protected_keys(section)) for kind in Kind)
        case str():
            yield Kind.USER, _protection(conditions[place])
        case written.ProtectSection():
            for kind, given in ((Kind.USER, section.users), (Kind.GROUP, section.groups)):
                if isinstance(given, list):
                    yield kind, protected_keys(given)
                elif given is not None:
                    yield kind, _protection(conditions[(*place, f"{kind}s")])


def _protection(condition: Condition) -> Protection:
    return Protection(condition=condition, columns=condition.columns)
