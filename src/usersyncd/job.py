"""What there is to do: for each directory of the configuration its source, and each target with its compiled rules."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping

from msgspec import Struct, structs

from usersyncd import registry
from usersyncd.config import Config, Directory, Target
from usersyncd.config.excerpt import in_order
from usersyncd.config.rules import distinct, placed
from usersyncd.core.digest import encode
from usersyncd.core.model import Ruleset
from usersyncd.core.rules import RuleErrors, Rules, compile_rules
from usersyncd.errors import ConfigError, Fault, PluginError
from usersyncd.plugin import Kind, Source
from usersyncd.plugin import Target as TargetConnector


class TargetRules(Struct, frozen=True):
    """One target of a directory. ``leaving``: the target does not list the directory, and everything that it holds of
    it leaves."""

    target: Target
    connector: type[TargetConnector]
    rules: Rules
    leaving: bool = False

    @property
    def fingerprint(self) -> str:
        """Of all that decides what the target shall hold: with another one, everything is looked at again."""
        return "leaving" if self.leaving else f"{self.rules.fingerprint} {self.target.memberships}"

    @property
    def shares_keys(self) -> bool:
        """Whether a key belongs to one record of all directories, and not of this one alone."""
        return any(layout.ruled for layout in self.rules.layouts.values())


class Job(Struct, frozen=True):
    """One directory: its source, its targets, and what it is read for.

    ``connector`` None: the directory is out of the file, and not read. ``leaving`` are the targets that do not list it.
    ``reads`` are the native attributes that any rule reads (None: all). ``basis`` is a digest of everything that
    decides how the directory is read: with another one, a cursor and what was read before are worth nothing.
    """

    directory: Directory
    connector: type[Source] | None
    deliveries: tuple[TargetRules, ...]
    leaving: tuple[TargetRules, ...]
    rules: Rules
    reads: Mapping[Kind, frozenset[str] | None]
    groups: bool
    manager: bool
    basis: str

    @property
    def targets(self) -> frozenset[str]:
        """The names of all targets."""
        return frozenset(each.target.name for each in (*self.deliveries, *self.leaving))


def jobs(config: Config) -> dict[str, Job]:
    """All jobs, by directory. Raises ConfigError: a connector cannot be used, or rules are wrong; it names them all."""
    faults: list[Fault] = []
    found: dict[str, Job] = {}
    for directory in config.directories.values():
        source = registry.source(directory.connector)
        targets = [
            (target, registry.target(target.connector))
            for target in config.targets.values()
            if directory.name in target.directories
        ]
        try:
            found[directory.name] = job(directory, source, targets, config.lookups)
        except RuleErrors as error:
            faults += error.faults
    if faults:
        shown = in_order(str(config.file), config.excerpts, distinct(faults))
        raise ConfigError(f"{config.file}: the rules cannot be used", faults=shown)
    return _with_leaving(found)


def _with_leaving(found: dict[str, Job]) -> dict[str, Job]:
    """These jobs, each with the targets that do not list its directory. How the shapes of a target look does not depend
    on the directory."""
    everyone = {each.target.name: each for job in found.values() for each in job.deliveries}
    return {
        name: structs.replace(
            job, leaving=_leaving(each for each in everyone.values() if name not in each.target.directories)
        )
        for name, job in found.items()
    }


def _leaving(deliveries: Iterable[TargetRules]) -> tuple[TargetRules, ...]:
    return tuple(structs.replace(each, leaving=True) for each in deliveries)


def removed(directory: Directory, deliveries: Iterable[TargetRules]) -> Job:
    """What there is to do for a directory that is out of the file: it leaves all targets."""
    rules = compile_rules(
        directory=directory.name, mapping=_mapping(directory.connector), attributes={}, users=Ruleset(),
        groups=Ruleset(), lookups={}, deactivates=False,
    )  # fmt: skip
    return Job(directory, None, (), _leaving(deliveries), rules, {}, groups=False, manager=False, basis="")


def _mapping(connector: str) -> Mapping[Kind, Mapping[str, str]]:
    """By which people are named. A connector that is not installed any more has none."""
    try:
        return registry.source(connector).mapping
    except PluginError:
        return {}


def job(
    directory: Directory,
    connector: type[Source],
    targets: Iterable[tuple[Target, type[TargetConnector]]],
    lookups: Mapping[str, Mapping[str, str]],
) -> Job:
    """What there is to do for one directory. Raises RuleErrors with all that is wrong in the rules."""
    faults: list[Fault] = []
    deliveries: list[TargetRules] = []
    for target, target_connector in targets:
        try:
            rules = _rules(directory, connector, target, lookups)
        except RuleErrors as error:
            faults += placed(error.faults, directory.name, target.name)
        else:
            deliveries.append(TargetRules(target, target_connector, rules))
    if faults:
        raise RuleErrors("the rules cannot be used", faults=faults)
    own = _rules(directory, connector, None, lookups)
    everything = [delivery.rules for delivery in deliveries] or [own]
    reads = {kind: _union(rules.reads.native[kind] for rules in everything) for kind in Kind}
    return Job(
        directory=directory,
        connector=connector,
        deliveries=tuple(deliveries),
        leaving=(),
        rules=own,
        reads=reads,
        groups=any(rules.reads.groups for rules in everything),
        manager=any(rules.reads.manager for rules in everything),
        basis=_basis(directory, reads),
    )


def _rules(
    directory: Directory, connector: type[Source], target: Target | None, lookups: Mapping[str, Mapping[str, str]]
) -> Rules:
    return compile_rules(
        directory=directory.name,
        mapping=connector.mapping,
        attributes=directory.attributes,
        users=target.users if target else Ruleset(),
        groups=target.groups if target else Ruleset(),
        lookups=lookups,
        deactivates=target is not None and target.leavers.writes_active,
        leaving=target.leavers.set if target else None,
    )


def _union(parts: Iterable[frozenset[str] | None]) -> frozenset[str] | None:
    found: frozenset[str] = frozenset()
    for part in parts:
        if part is None:
            return None
        found |= part
    return found


def _basis(directory: Directory, reads: Mapping[Kind, frozenset[str] | None]) -> str:
    manager = directory.attributes[Kind.USER].get("manager")
    content = {
        "connector": directory.connector,
        "options": directory.options.model_dump(mode="json"),
        "reads": {kind: names and sorted(names) for kind, names in reads.items()},
        "manager": manager and manager.text,
    }
    return hashlib.sha256(encode(content)).hexdigest()
