"""The jobs of a configuration: the pull of each directory and the delivery to each target, with compiled rules."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from typing import TypeGuard

from msgspec import Struct, structs

from usersyncd import registry
from usersyncd.config import Config, DirectoryConfig, TargetConfig
from usersyncd.config.excerpt import in_order
from usersyncd.config.rules import distinct, placed
from usersyncd.config.zone import local_zone
from usersyncd.core.digest import encode
from usersyncd.core.links import LEAVING
from usersyncd.core.model import Ruleset
from usersyncd.core.rules import RuleErrors, Rules, compile_rules
from usersyncd.errors import ConfigError, Fault, PluginError
from usersyncd.plugin import Kind, Receiving, ReceivingSource, Source, Target


class TargetRules(Struct, frozen=True):
    """One target, with its rules for one directory. ``leaving``: the target does not list the directory, so everything
    that it holds of it leaves. ``after_approval``: the first delivery is held until a person approves it. ``pushed``:
    the directory pushes."""

    target: TargetConfig
    connector: type[Target]
    rules: Rules
    leaving: bool = False
    after_approval: bool = False
    pushed: bool = False

    @property
    def fingerprint(self) -> str:
        """A digest of everything that decides the shapes. If it changes, every record is compared again."""
        return LEAVING if self.leaving else f"{self.rules.fingerprint} {self.target.memberships}"

    @property
    def shares_keys(self) -> bool:
        """Whether all directories share the keys of the target: two records of different directories cannot have the
        same key."""
        return any(layout.ruled for layout in self.rules.layouts.values())


class PullJob(Struct, frozen=True):
    """The pull of one directory: its source, and what the targets need of it.

    ``targets``: the targets that list it, each with its rules. ``reads``: the native attributes that any rule reads
    (None: all). ``groups``, ``manager``: shapes depend on a user's groups or manager. ``basis``: a digest of everything
    that decides how the directory is read; if it changes, the next pull is complete.
    """

    directory: DirectoryConfig
    connector: type[Source]
    targets: tuple[TargetRules, ...]
    rules: Rules
    reads: Mapping[Kind, frozenset[str] | None]
    groups: bool
    manager: bool
    basis: str

    @property
    def receiving(self) -> Receiving | None:
        """How the directory pushes; None: it is pulled."""
        return receiving(self.directory, self.connector)


class DeliveryJob(Struct, frozen=True):
    """The delivery to one target.

    ``rules``: those for a directory that leaves the target. ``shares``: the rules for each directory that the target
    lists; ``bases``: the ``PullJob.basis`` of each, with which it must have been read. ``was``: the old names of
    renamed directories, by their new names. ``everyone``: all targets, in the order of the configuration.
    """

    rules: TargetRules
    shares: Mapping[str, TargetRules]
    bases: Mapping[str, str]
    was: Mapping[str, str]
    everyone: tuple[TargetRules, ...]

    @property
    def target(self) -> TargetConfig:
        """The target in the configuration."""
        return self.rules.target

    @property
    def targets(self) -> frozenset[str]:
        """The names of all targets."""
        return frozenset(each.target.name for each in self.everyone)


def jobs(config: Config) -> dict[str, PullJob]:
    """The pulls of all directories, by name. Raises ConfigError with all faults of connectors and rules."""
    faults: list[Fault] = []
    found: dict[str, PullJob] = {}
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
    return found


def delivery_jobs(pulls: Iterable[PullJob]) -> dict[str, DeliveryJob]:
    """The deliveries to all targets, by name. The shapes of a target have the same layout for all directories, so the
    rules for any directory serve for the directories that leave."""
    pulls = list(pulls)
    leaving = {
        each.target.name: structs.replace(each, leaving=True, after_approval=False)
        for pull in pulls
        for each in pull.targets
    }
    return {name: delivery_job(each, pulls, tuple(leaving.values())) for name, each in leaving.items()}


def delivery_job(rules: TargetRules, pulls: Iterable[PullJob], everyone: tuple[TargetRules, ...]) -> DeliveryJob:
    """The delivery to one target."""
    pulls = list(pulls)
    shares = [(pull, each) for pull in pulls for each in pull.targets if each.target.name == rules.target.name]
    return DeliveryJob(
        rules,
        {pull.directory.name: each for pull, each in shares},
        {pull.directory.name: pull.basis for pull, _ in shares},
        {pull.directory.name: pull.directory.was for pull in pulls if pull.directory.was is not None},
        everyone,
    )


def job(
    directory: DirectoryConfig,
    connector: type[Source],
    targets: Iterable[tuple[TargetConfig, type[Target]]],
    lookups: Mapping[str, Mapping[str, str]],
) -> PullJob:
    """The pull of one directory. Raises RuleErrors with all faults of the rules."""
    faults: list[Fault] = []
    found: list[TargetRules] = []
    for target, target_connector in targets:
        try:
            rules = _rules(directory, connector, target, lookups)
        except RuleErrors as error:
            faults += placed(error.faults, directory.name, target.name)
        else:
            after_approval = directory.after_approval or target.after_approval
            pushed = receiving(directory, connector) is not None
            found.append(TargetRules(target, target_connector, rules, after_approval=after_approval, pushed=pushed))
    if faults:
        raise RuleErrors("the rules cannot be used", faults=faults)
    own = _rules(directory, connector, None, lookups)
    everything = [each.rules for each in found] or [own]
    reads = {kind: _union(rules.reads.native[kind] for rules in everything) for kind in Kind}
    return PullJob(
        directory=directory,
        connector=connector,
        targets=tuple(found),
        rules=own,
        reads=reads,
        groups=any(rules.reads.groups for rules in everything),
        manager=any(rules.reads.manager for rules in everything),
        basis=_basis(directory, reads),
    )


def receiving(directory: DirectoryConfig, connector: type[Source]) -> Receiving | None:
    """How a directory pushes; None: it is pulled."""
    return connector.receiving(directory.options) if _may_receive(connector) else None


def _may_receive(connector: type[Source]) -> TypeGuard[type[ReceivingSource]]:
    return hasattr(connector, "receiving")


def _rules(
    directory: DirectoryConfig,
    connector: type[Source],
    target: TargetConfig | None,
    lookups: Mapping[str, Mapping[str, str]],
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
        zone=target.timezone if target else local_zone(),
    )


def removed_rules(directory: str, connector: str) -> Rules:
    """The rules that name the records of a directory that was removed from the configuration. If its connector is not
    installed any more, the canonical names are used."""
    try:
        mapping = registry.source(connector).mapping
    except PluginError:
        mapping = {}
    return compile_rules(
        directory=directory, mapping=mapping, attributes={}, users=Ruleset(), groups=Ruleset(), lookups={},
        deactivates=False,
    )  # fmt: skip


def _union(parts: Iterable[frozenset[str] | None]) -> frozenset[str] | None:
    found: frozenset[str] = frozenset()
    for part in parts:
        if part is None:
            return None
        found |= part
    return found


def _basis(directory: DirectoryConfig, reads: Mapping[Kind, frozenset[str] | None]) -> str:
    manager = directory.attributes[Kind.USER].get("manager")
    content = {
        "connector": directory.connector,
        "options": directory.options.model_dump(mode="json"),
        "reads": {kind: names and sorted(names) for kind, names in reads.items()},
        "manager": manager and manager.text,
    }
    return hashlib.sha256(encode(content)).hexdigest()
