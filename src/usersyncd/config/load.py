"""Loads a configuration file as a :class:`Config`, or raises all its faults."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

from pydantic import BaseModel

from usersyncd import registry
from usersyncd.config import written
from usersyncd.config.checks import (
    check_former_names,
    check_intervals,
    check_references,
    check_shared,
    check_web,
    refuse_url_passwords,
)
from usersyncd.config.document import Document
from usersyncd.config.freeze import directory, state, target
from usersyncd.config.lookups import read_table, stamp
from usersyncd.config.models import Config
from usersyncd.config.option_files import check_option_files
from usersyncd.config.rules import conditions, rule_faults
from usersyncd.config.sections import sections
from usersyncd.config.validation import validate
from usersyncd.config.web import web
from usersyncd.errors import ConfigError, Fault, PluginError
from usersyncd.files import read_file


def load(path: str | Path) -> Config:
    """Read and check a configuration file and its lookup tables. Connects to no directory or target.

    Raises ConfigError. Its ``faults`` are all faults of the file, in the file's order, and contain no secret."""
    file = Path(path)
    document = Document(str(file), _read(file))
    if document.root is None:
        if not document.faults():
            document.fault((), "the file is empty: `usersyncd init` writes a starting configuration")
        document.raise_faults()
    refuse_url_passwords(document)
    model = validate(document, written.ConfigFile, document.data)
    options = dict(_options(document))
    check_references(document)
    check_former_names(document)
    check_shared(document, options)
    check_web(document, options)
    check_intervals(document, options)
    folder = file.absolute().parent
    check_option_files(document, options, folder)
    protected = dict(conditions(document))
    stamps = {file: stamp(file) for file in _lookup_files(document, folder)}
    tables = _lookups(document, folder)
    if document.faults():
        document.note(rule_faults(document, tables))
        document.raise_faults()
    if model is None:
        raise AssertionError("a file without faults has a model")
    directories = {name: directory(document, name, section, options) for name, section in model.directories.items()}
    targets = {
        name: target(document, name, section, options, protected, tuple(directories))
        for name, section in model.targets.items()
    }
    served = web(model.web, folder, os.environ)
    return Config(
        file, folder, state(model.state, folder), directories, targets, tables, document.excerpts, stamps, served
    )


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


def _options(document: Document) -> Iterator[tuple[tuple[str, str], BaseModel]]:
    for part, name, section in sections(document):
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


def _lookup_files(document: Document, folder: Path) -> list[Path]:
    given = document.value(("lookups",))
    tables = given.values() if isinstance(given, dict) else ()
    return [folder / one["file"] for one in tables if isinstance(one, dict) and isinstance(one.get("file"), str)]


def _lookups(document: Document, folder: Path) -> dict[str, dict[str, str]]:
    """The lookup tables. One that cannot be read is empty, so that rules that name it get no fault of their own."""
    given = document.value(("lookups",))
    tables: dict[str, dict[str, str]] = {}
    for name, lookup in given.items() if isinstance(given, dict) else ():
        tables[name] = {}
        match lookup:
            case {"file": str(file), "key": str(key), "value": str(value)} if len(lookup) == 3:
                try:
                    tables[name], faults = read_table(folder / file, key, value)
                    document.note(faults)
                except ConfigError as error:
                    document.fault(("lookups", name, "file"), error.message)
            case dict():
                tables[name] = {key: value for key, value in lookup.items() if isinstance(value, str)}
    return tables
