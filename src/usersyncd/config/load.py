"""From a configuration file to a :class:`Config`, or to all the faults that it has."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from pydantic import BaseModel

from usersyncd import registry
from usersyncd.config import written
from usersyncd.config.document import Document
from usersyncd.config.document import Path as Place
from usersyncd.config.excerpt import url_password
from usersyncd.config.lookups import read_table
from usersyncd.config.models import Config, Directory, StateConfig, Target
from usersyncd.config.validation import validate
from usersyncd.core.model import Constant, Drift, Guard, Leavers, Rule, Ruleset
from usersyncd.core.protection import Protection, protected_keys
from usersyncd.core.rules.condition import Condition, compile_condition
from usersyncd.core.rules.plain import column
from usersyncd.errors import ConfigError, Fault, PluginError
from usersyncd.files import read_file
from usersyncd.nearest import nearest
from usersyncd.plugin import CANONICAL, Kind, Options

Conditions = Mapping[Place, Condition]
"""The conditions under ``protect``, by their places."""
Connectors = dict[tuple[str, str], BaseModel]
"""(``directories`` or ``targets``, name) → the connector's options."""


def load(path: str | Path) -> Config:
    """Read and check a configuration file, lookup tables included. Directories and targets are not contacted.

    Raises ConfigError: its ``faults`` are all that is wrong in the file, in the file's order, and hold no secret."""
    file = Path(path)
    document = Document(str(path), _read(file))
    if document.root is None:
        if not document.faults():
            document.fault((), "the file is empty: `usersyncd init` writes a starting configuration")
        document.raise_faults()
    _refuse_url_passwords(document)
    model = validate(document, written.ConfigFile, document.data)
    options = dict(_options(document))
    _check_references(document)
    _check_former_names(document)
    _check_shared(document, options)
    conditions = dict(_conditions(document))
    folder = file.absolute().parent
    tables, others = _lookups(document, folder, model.lookups if model else {})
    document.raise_faults(others)
    if model is None:
        raise AssertionError("a file without faults has a model")
    directories = {name: _directory(document, name, section, options) for name, section in model.directories.items()}
    targets = {
        name: _target(document, name, section, options, conditions, tuple(directories))
        for name, section in model.targets.items()
    }
    return Config(file, folder, _state(model.state, folder), directories, targets, tables)


def _read(file: Path) -> str:
    try:
        data = read_file(file)
    except FileNotFoundError:
        raise ConfigError(
            f"{file}: there is no such file", f"write a starting configuration with `usersyncd init {file}`"
        ) from None
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else "this is not a file name"
        raise ConfigError(
            f"{file} cannot be read: {reason}", "name a file that the account that runs usersyncd has the right to read"
        ) from None
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        column = len(data[data.rfind(b"\n", 0, error.start) + 1 : error.start].decode("utf-8-sig", "replace")) + 1
        fault = Fault(str(file), line, column, "", "this is not UTF-8: save the file as UTF-8")
    raise ConfigError(f"{file}: 1 fault", faults=[fault])


# ---- what the models alone cannot see


def _sections(document: Document) -> Iterator[tuple[str, str, dict[str, Any]]]:
    """Each directory and target that is at least a mapping: the name of its part of the file, its own name, what it
    holds."""
    for part in ("directories", "targets"):
        entries = document.data.get(part) if isinstance(document.data, dict) else None
        for name, section in entries.items() if isinstance(entries, dict) else ():
            if isinstance(section, dict):
                yield part, name, section


def _refuse_url_passwords(document: Document) -> None:
    places: list[Place] = [("state",), *((part, name, "options") for part, name, _ in _sections(document))]
    for place in places:
        for where, text in document.texts(place):
            if url_password(text):
                remedy = "take it out, and write password: {credential: NAME} beside the URL"
                document.fault(where, f"a password never stands in a URL: {remedy}", hide=True)


def _options(document: Document) -> Iterator[tuple[tuple[str, str], BaseModel]]:
    for part, name, section in _sections(document):
        connector = section.get("connector")
        if not isinstance(connector, str):
            continue
        try:
            found = registry.source(connector) if part == "directories" else registry.target(connector)
        except PluginError as error:
            document.fault((part, name, "connector"), f"{error.message}{f' ({error.remedy})' if error.remedy else ''}")
            continue
        given = section.get("options")
        options = validate(document, found.Options, {} if given is None else given, (part, name, "options"))
        if options is not None:
            yield (part, name), options


def _check_references(document: Document) -> None:
    data = document.data if isinstance(document.data, dict) else {}
    known = data.get("directories")
    for part, name, section in _sections(document):
        if part == "directories":
            continue
        given = section.get("directories")
        wanted = given if isinstance(given, list) else []
        for index, directory in enumerate(wanted):
            where = (part, name, "directories", index)
            if isinstance(known, dict) and isinstance(directory, str) and directory not in known:
                document.fault(where, f"there is no directory “{directory}”{nearest(directory, known)}")
            elif directory in wanted[:index]:
                document.fault(where, f"“{directory}” stands here twice")
        for kind in Kind:
            rules = section.get(f"{kind}s")
            if isinstance(rules, dict):
                _check_key(document, (part, name, f"{kind}s"), kind, rules)
        _check_leavers(document, (part, name), section)
        _check_drift(document, (part, name), section)


def _check_leavers(document: Document, place: Place, section: Mapping[str, Any]) -> None:
    leavers, users = section.get("leavers"), section.get("users")
    leaving = leavers.get("set") if isinstance(leavers, dict) else None
    if not isinstance(leavers, dict) or not isinstance(leaving, dict):
        return
    if leavers.get("delete_after") == "now":
        message = "is of no use: with delete_after: now, a leaver is deleted and never deactivated"
        document.fault((*place, "leavers", "set"), message, on_key=True)
    normal = users.get("set") if isinstance(users, dict) else None
    names = normal if isinstance(normal, dict) else {}
    for name in leaving:
        where = (*place, "leavers", "set", name)
        if name not in names:
            message = "needs its normal value under users.set, for example {value: null}: whoever returns gets that"
            document.fault(where, message, on_key=True)
        elif isinstance(users, dict) and name == users.get("key"):
            document.fault(where, "is the key, by which a person is found: a leaver keeps it", on_key=True)


def _check_former_names(document: Document) -> None:
    """A directory that is there under its own name is not another one's former self."""
    names = {name for part, name, _ in _sections(document) if part == "directories"}
    renamed: dict[str, str] = {}
    for part, name, section in _sections(document):
        was = section.get("was")
        if part != "directories" or not isinstance(was, str):
            continue
        if was in names:
            whose = "its own name" if was == name else f"the name of another directory, {was}"
            remedy = f"write the name that {name} had before, and has no more"
            if was != name:
                remedy += f"; if {was} was another one then, rename that first, and run `usersyncd sync` in between"
            document.fault((part, name, "was"), f"is {whose}: {remedy}")
        elif was in renamed:
            document.fault((part, name, "was"), f"“{was}” is what {renamed[was]} was already")
        renamed.setdefault(was, name)


def _check_shared(document: Document, options: Connectors) -> None:
    """Two targets that write to the same objects may not share a directory. They have all their parts in common, or
    neither users nor groups."""
    everyone = [name for part, name, _ in _sections(document) if part == "directories"]
    before: list[tuple[str, Any, Mapping[str, object], list[str]]] = []
    for part, name, section in _sections(document):
        if part != "targets" or (part, name) not in options:
            continue
        given = section.get("directories")
        listed = given if isinstance(given, list) else everyone
        connector, parts = section.get("connector"), _places(options[part, name])
        for other, its, theirs, list_ in before:
            if its == connector and (message := _shared(other, parts, theirs, [x for x in listed if x in list_])):
                document.fault((part, name), message, on_key=True)
                break
        before.append((name, connector, parts, listed))


def _shared(other: str, parts: Mapping[str, object], theirs: Mapping[str, object], both: list[str]) -> str | None:
    """What is wrong with two targets that have these parts, and both list the directories ``both``."""
    same = [part for part, place in parts.items() if theirs.get(part) == place]
    rest = [part for part in {**parts, **theirs} if part not in same]
    if rest and not {"users", "groups"}.isdisjoint(same):
        return (
            f"has the same {' and '.join(same)} as {other}, and not the same {' and '.join(rest)}: whose an account is "
            "would be stored twice; name the same tables in both, or others in each"
        )
    if not rest and both:
        return (
            f"is the same target as {other} (connector and options), and both list {', '.join(both)}: give each "
            "directory to one of them, under `directories`"
        )
    return None


def _places(options: BaseModel) -> Mapping[str, object]:
    return options.places() if isinstance(options, Options) else {"objects": options}


def _check_key(document: Document, place: Place, kind: Kind, rules: Mapping[str, Any]) -> None:
    key, attributes = rules.get("key"), rules.get("set")
    if isinstance(attributes, dict) and attributes and key is None:
        message = f"needs `key` beside it: which of {', '.join(attributes)} identifies a {kind} in the target?"
        document.fault((*place, "set"), message, on_key=True)
    names = CANONICAL[kind] if attributes is None else tuple(attributes) if isinstance(attributes, dict) else None
    if isinstance(key, str) and names is not None and key not in names:
        what = "a canonical attribute" if attributes is None else "one of the names under `set`"
        document.fault((*place, "key"), f"must be {what}{nearest(key, names)}")


def _check_drift(document: Document, place: Place, section: Mapping[str, Any]) -> None:
    known = {"active"} | {name for kind in Kind for name in _names(section.get(f"{kind}s"), kind)}
    kept = section.get("drift")
    for name in kept if isinstance(kept, dict) else ():
        if name not in known:
            what = "the target has no such attribute"
            document.fault((*place, "drift", name), f"{what}{nearest(name, sorted(known))}", on_key=True)
    connector = section.get("connector")
    if section.get("verify") is None or not isinstance(connector, str):
        return
    try:
        capabilities = registry.target(connector).capabilities
    except PluginError:
        return
    if capabilities.find is None or not capabilities.read:
        document.fault((*place, "verify"), f"targets of the connector {connector} cannot be read: take it out")


def _names(rules: Any, kind: Kind) -> tuple[str, ...]:
    """The attributes that the records of a kind have in a target."""
    given = rules.get("set") if isinstance(rules, dict) else None
    return tuple(given) if isinstance(given, dict) else CANONICAL[kind]


def _conditions(document: Document) -> Iterator[tuple[Place, Condition]]:
    """Every condition under ``protect``, compiled."""
    for part, name, section in _sections(document):
        given = section.get("protect") if part == "targets" else None
        parts = {(key,): given.get(key) for key in ("users", "groups")} if isinstance(given, dict) else {(): given}
        for steps, text in parts.items():
            place: Place = (part, name, "protect", *steps)
            if isinstance(text, str) and text.strip() and (found := _condition(document, place, text)):
                yield place, found


def _condition(document: Document, place: Place, text: str) -> Condition | None:
    found = compile_condition(text)
    if isinstance(found, Condition):
        return found
    document.fault(place, "; ".join(f"{mistake.message}{column(text, mistake.offset)}" for mistake in found))
    return None


def _lookups(
    document: Document, folder: Path, lookups: Mapping[str, dict[str, str] | written.LookupFile]
) -> tuple[dict[str, dict[str, str]], list[Fault]]:
    tables: dict[str, dict[str, str]] = {}
    others: list[Fault] = []
    for name, lookup in lookups.items():
        if isinstance(lookup, dict):
            tables[name] = lookup
            continue
        try:
            tables[name], faults = read_table(folder / lookup.file, lookup.key, lookup.value)
            others += faults
        except ConfigError as error:
            document.fault(("lookups", name, "file"), error.message)
    return tables, others


# ---- the frozen form


def _state(state: str | written.StateSection | None, folder: Path) -> StateConfig:
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


def _directory(document: Document, name: str, section: written.DirectorySection, options: Connectors) -> Directory:
    place: Place = ("directories", name)
    attributes = {key: Rule(text, document.at((*place, "attributes", key))) for key, text in section.attributes.items()}
    return Directory(
        name,
        section.connector,
        section.every,
        section.complete,
        options["directories", name],
        {Kind.USER: attributes, Kind.GROUP: {}},
        section.was,
    )


def _target(
    document: Document,
    name: str,
    section: written.TargetSection,
    options: Connectors,
    conditions: Conditions,
    everyone: tuple[str, ...],
) -> Target:
    place: Place = ("targets", name)
    return Target(
        name,
        section.connector,
        options["targets", name],
        everyone if section.directories is None else tuple(section.directories),
        _ruleset(document, (*place, "users"), section.users),
        _ruleset(document, (*place, "groups"), section.groups),
        section.memberships,
        Leavers(section.leavers.delete_after, _attributes(document, (*place, "leavers"), section.leavers.set)),
        Guard(**{name: getattr(section.guard, name) for name in Guard.__struct_fields__}),
        section.adopt,
        dict(_protections((*place, "protect"), section.protect, conditions)),
        section.verify,
        Drift(None if section.drift == "keep" else frozenset(section.drift or ())),
    )


def _protections(
    place: Place, section: written.ProtectSection | written.Keys | str | None, conditions: Conditions
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


def _ruleset(document: Document, place: Place, section: written.RulesSection) -> Ruleset:
    where = None if section.where is None else Rule(section.where, document.at((*place, "where")))
    return Ruleset(where, section.key, _attributes(document, place, section.set))


def _attributes(
    document: Document, place: Place, written_: written.Attributes | None
) -> dict[str, Rule | Constant] | None:
    if written_ is None:
        return None
    attributes: dict[str, Rule | Constant] = {}
    for name, given in written_.items():
        at = document.at((*place, "set", name))
        attributes[name] = Rule(given, at) if isinstance(given, str) else Constant(given.value, at)
    return attributes


def _protection(condition: Condition) -> Protection:
    return Protection(condition=condition, columns=condition.columns)
