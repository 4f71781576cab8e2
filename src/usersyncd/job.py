"""What there is to do: the pull of each directory and the delivery to each target, with their compiled rules."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping

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
from usersyncd.plugin import Kind, Source, Target


class TargetRules(Struct, frozen=True):
    """One target of a directory. ``leaving``: the target does not list the directory, and everything that it holds of
    it leaves. ``after_approval``: the first delivery is held until a person approves it."""

    target: TargetConfig
    connector: type[Target]
    rules: Rules
    leaving: bool = False
    after_approval: bool = False

    @property
    def fingerprint(self) -> str:
        """A digest of all that decides what the target has to hold: with another one, all is compared again."""
        return LEAVING if self.leaving else f"{self.rules.fingerprint} {self.target.memberships}"

    @property
    def shares_keys(self) -> bool:
        """Whether a key belongs to one record of all directories, and not of this one alone."""
        return any(layout.ruled for layout in self.rules.layouts.values())


class PullJob(Struct, frozen=True):
    """One directory: its source, and what it is read for.

    ``targets`` are those that list it, with its rules for each. ``reads`` are the native attributes that any rule reads
    (None: all). ``basis`` is a digest of everything that decides how the directory is read: with another one, a cursor
    and what was read before are worth nothing.
    """

    directory: DirectoryConfig
    connector: type[Source]
    targets: tuple[TargetRules, ...]
    rules: Rules
    reads: Mapping[Kind, frozenset[str] | None]
    groups: bool
    manager: bool
    basis: str


class DeliveryJob(Struct, frozen=True):
    """One target, and what it gets.

    ``rules``: those for a directory that leaves the target. ``shares``: the rules for each directory that it lists;
    ``bases``: how each of these has to be read (``PullJob.basis``). ``was``: the old names of directories, by their new
    ones. ``everyone``: all targets of the configuration, in its order.
    """

    rules: TargetRules
    shares: Mapping[str, TargetRules]
    bases: Mapping[str, str]
    was: Mapping[str, str]
    everyone: tuple[TargetRules, ...]

    @property
    def target(self) -> TargetConfig:
        """The target, as the configuration has it."""
        return self.rules.target

    @property
    def targets(self) -> frozenset[str]:
        """The names of all targets."""
        return frozenset(each.target.name for each in self.everyone)


def jobs(config: Config) -> dict[str, PullJob]:
    """The pulls of all directories, by name. Raises ConfigError with everything that is wrong in connectors and
    rules."""
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
    """The deliveries to all targets, by name. How the shapes of a target look does not depend on the directory."""
    pulls = list(pulls)
    some = {
        each.target.name: structs.replace(each, leaving=True, after_approval=False)
        for pull in pulls
        for each in pull.targets
    }
    return {name: delivery_job(each, pulls, tuple(some.values())) for name, each in some.items()}


def delivery_job(rules: TargetRules, pulls: Iterable[PullJob], everyone: tuple[TargetRules, ...]) -> DeliveryJob:
    """The delivery to one target."""
    pulls = list(pulls)
    mine = [(pull, each) for pull in pulls for each in pull.targets if each.target.name == rules.target.name]
    return DeliveryJob(
        rules,
        {pull.directory.name: each for pull, each in mine},
        {pull.directory.name: pull.basis for pull, _ in mine},
        {pull.directory.name: pull.directory.was for pull in pulls if pull.directory.was is not None},
        everyone,
    )


def job(
    directory: DirectoryConfig,
    connector: type[Source],
    targets: Iterable[tuple[TargetConfig, type[Target]]],
    lookups: Mapping[str, Mapping[str, str]],
) -> PullJob:
    """What there is to do for one directory. Raises RuleErrors with all that is wrong in the rules."""
    faults: list[Fault] = []
    found: list[TargetRules] = []
    for target, target_connector in targets:
        try:
            rules = _rules(directory, connector, target, lookups)
        except RuleErrors as error:
            faults += placed(error.faults, directory.name, target.name)
        else:
            after_approval = directory.after_approval or target.after_approval
            found.append(TargetRules(target, target_connector, rules, after_approval=after_approval))
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
    """The rules by which records of a directory that is out of the file are named. A connector that is not installed
    any more has none."""
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
