"""Names of records for output, looked up in the snapshot: a change often has only an id."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from usersyncd.cli.text import clean
from usersyncd.config import Config
from usersyncd.core.rules import RuleError, Rules
from usersyncd.errors import ConfigError
from usersyncd.job import PullJob, jobs, removed_rules
from usersyncd.plugin import Kind
from usersyncd.state.database import Database
from usersyncd.state.journal import last_connector
from usersyncd.state.lookup import attributes


class RecordNames:
    """The names of one directory's records. ``rules`` None: the names are unknown, and ids stand for them."""

    def __init__(self, database: Database, directory: str, rules: Rules | None) -> None:
        self._database = database
        self.directory = directory
        self._rules = rules
        self._known: dict[tuple[Kind, str], str] = {}

    def load(self, kind: Kind, ids: Iterable[str]) -> None:
        """Look up the names of many records at once."""
        wanted = {id_ for id_ in ids if (kind, id_) not in self._known}
        if self._rules is None or not wanted:
            return
        with self._database.read() as connection:
            found = attributes(connection, self.directory, kind, wanted)
        for id_, native in found.items():
            try:
                self._known[kind, id_] = _name(self._rules.canonical(kind, id_, native)) or ""
            except RuleError:
                continue

    def add(self, kind: Kind, id_: str, shape: Mapping[str, Any]) -> None:
        """Use the name in a shape, for a record that is no longer in the snapshot."""
        if (kind, id_) not in self._known and (name := _name(shape)):
            self._known[kind, id_] = str(name)

    def short(self, kind: Kind, id_: str) -> str:
        """The name alone; the id if the name is unknown."""
        return clean(self._known.get((kind, id_)) or id_)

    def full(self, kind: Kind, id_: str, key: object = None) -> str:
        """``Ada Byron (u-1)``, with the key in the target if it differs."""
        known = self._known.get((kind, id_))
        whole = id_ if key in (None, id_, known) else f"{id_}, in the target {key}"
        return clean(f"{known} ({whole})" if known and known != id_ else whole)


def rules_of(pull: PullJob | None, database: Database, directory: str) -> Rules | None:
    """The rules that give the names of a directory's records. For a removed directory, those of its last connector."""
    if pull is not None:
        return pull.rules
    with database.read() as connection:
        return removed_rules(directory, last_connector(connection, directory))


def names_of(database: Database, config: Config, directory: str) -> RecordNames:
    """The names of a directory's records; ids only if the rules of the configuration have faults."""
    try:
        rules = rules_of(jobs(config).get(directory), database, directory)
    except ConfigError:
        rules = None
    return RecordNames(database, directory, rules)


def _name(record: Mapping[str, Any]) -> str | None:
    both = " ".join(part for part in (record.get("givenName"), record.get("familyName")) if part)
    return record.get("displayName") or both or record.get("name") or record.get("email") or record.get("userName")
