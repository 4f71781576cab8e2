"""Reads the rules of a file from its document, so that they can be checked even if other parts have faults."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from typing import Any

from msgspec import structs

from usersyncd import registry
from usersyncd.config.document import Document, KeyPath
from usersyncd.config.sections import sections
from usersyncd.core.model import Constant, Rule, Ruleset
from usersyncd.core.rules import RuleErrors, compile_rules
from usersyncd.core.rules.condition import Condition, compile_condition
from usersyncd.errors import Fault, PluginError
from usersyncd.plugin import CANONICAL, Kind


def ruleset(document: Document, path: KeyPath) -> Ruleset:
    """The rules for one kind of record, under ``users`` or ``groups`` of a target. Entries with faults are left out."""
    section = document.value(path)
    if not isinstance(section, dict):
        return Ruleset()
    key = section.get("key")
    return Ruleset(
        _rule(document, (*path, "where")),
        key if isinstance(key, str) else None,
        attribute_rules(document, (*path, "set")),
    )


def attribute_rules(document: Document, path: KeyPath) -> dict[str, Rule | Constant] | None:
    """The attributes of a target with their rules or constants; None if there are none."""
    given = document.value(path)
    rules: dict[str, Rule | Constant] = {}
    for name, value in given.items() if isinstance(given, dict) else ():
        if rule := _rule(document, (*path, name)):
            rules[name] = rule
        elif isinstance(value, dict) and "value" in value:
            rules[name] = Constant(value["value"], document.at((*path, name)))
    return rules or None


def mapping_rules(document: Document, path: KeyPath) -> dict[Kind, dict[str, Rule]]:
    """Where canonical attributes come from, under ``attributes`` of a directory."""
    given = document.value((*path, "attributes"))
    names = [name for name in given if name in CANONICAL[Kind.USER]] if isinstance(given, dict) else []
    rules = {name: rule for name in names if (rule := _rule(document, (*path, "attributes", name)))}
    return {Kind.USER: rules, Kind.GROUP: {}}


def _rule(document: Document, path: KeyPath) -> Rule | None:
    text = document.value(path)
    return document.rule(path) if isinstance(text, str) and text.strip() else None


# ---- what is wrong with them


def rule_faults(document: Document, tables: Mapping[str, Mapping[str, str]]) -> Iterator[Fault]:
    """The faults of the rules, in a file that has other faults."""
    directories = [(name, section) for part, name, section in sections(document) if part == "directories"]
    targets = [(name, section) for part, name, section in sections(document) if part == "targets"]
    for directory, section in directories:
        mapping, attributes = _mapping(section.get("connector")), mapping_rules(document, ("directories", directory))
        for target, listed in targets:
            if _lists(listed, directory):
                yield from _faults(document, directory, target, mapping, attributes, tables)


def _faults(
    document: Document,
    directory: str,
    target: str,
    mapping: Mapping[Kind, Mapping[str, str]],
    attributes: Mapping[Kind, Mapping[str, Rule]],
    tables: Mapping[str, Mapping[str, str]],
) -> Iterable[Fault]:
    path: KeyPath = ("targets", target)
    try:
        compile_rules(
            directory=directory,
            mapping=mapping,
            attributes=attributes,
            users=_with_key(ruleset(document, (*path, "users")), Kind.USER),
            groups=_with_key(ruleset(document, (*path, "groups")), Kind.GROUP),
            lookups=tables,
            deactivates=False,
            leaving=attribute_rules(document, (*path, "leavers", "set")),
        )
    except RuleErrors as error:
        return placed(error.faults, directory, target)
    return ()


def placed(faults: Iterable[Fault], directory: str, target: str) -> list[Fault]:
    """Faults of the rules of one target for one directory, with their whole path in the file."""
    return [
        structs.replace(
            fault,
            path=f"directories.{directory}.{fault.path}"
            if fault.path.startswith("attributes.")
            else f"targets.{target}.{fault.path}",
        )
        for fault in faults
    ]


def distinct(faults: Iterable[Fault]) -> list[Fault]:
    """Each fault once, though several directories or an anchor of YAML repeat it."""
    return list({(one.file, one.line, one.column, one.message): one for one in reversed(list(faults))}.values())[::-1]


def _with_key(rules: Ruleset, kind: Kind) -> Ruleset:
    """The same rules with a valid key: a fault of the key is noted elsewhere, and must not hide others."""
    names: Collection[str] = rules.set or CANONICAL[kind]
    return rules if rules.key in names else structs.replace(rules, key=next(iter(rules.set)) if rules.set else None)


def _mapping(connector: Any) -> Mapping[Kind, Mapping[str, str]]:
    """The connector's mapping; empty if there is no such connector."""
    try:
        return registry.source(connector).mapping if isinstance(connector, str) else {}
    except PluginError:
        return {}


def _lists(section: Mapping[str, Any], directory: str) -> bool:
    """Whether a target lists a directory. A target whose list cannot be read lists all directories."""
    given = section.get("directories")
    return directory in given if isinstance(given, list) else True


# ---- conditions over the columns of a target


def conditions(document: Document) -> Iterator[tuple[KeyPath, Condition]]:
    """Every condition under ``protect``, compiled."""
    for part, name, section in sections(document):
        given = section.get("protect") if part == "targets" else None
        parts = {(key,): given.get(key) for key in ("users", "groups")} if isinstance(given, dict) else {(): given}
        for steps, text in parts.items():
            place: KeyPath = (part, name, "protect", *steps)
            if isinstance(text, str) and text.strip() and (found := _condition(document, place)):
                yield place, found


def _condition(document: Document, place: KeyPath) -> Condition | None:
    found = compile_condition(document.rule(place), ".".join(map(str, place)))
    if isinstance(found, Condition):
        return found
    document.note(found)
    return None
