"""The objects of a target that are linked to no record, and the records that might own each of them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, cast

import msgspec
import structlog
from msgspec import Struct

from usersyncd.cli.names import RecordNames
from usersyncd.config import Config
from usersyncd.context import TargetRunContext
from usersyncd.core.rules import RuleError
from usersyncd.deliver.shape import Shaped, shape_each
from usersyncd.deliver.work import connected
from usersyncd.errors import ConfigError
from usersyncd.job import PullJob, TargetRules
from usersyncd.plugin import Held, Inspectable, Kind
from usersyncd.state import links, targets
from usersyncd.state.candidates import Selection
from usersyncd.state.columns import decode
from usersyncd.state.database import Database
from usersyncd.state.directories import known
from usersyncd.state.drift import Drift

PAGE = 5_000
COMPARED = ("email", "userName")
"""The canonical attributes by which a record may be recognized as the owner of an account."""
COMPARED_IN_TARGET = frozenset({"email", "mail", "username", "login"})
"""The names of such attributes in targets, in lower case and without underscores."""


class AdoptionCandidate(Struct):
    """A record that might own an account.

    ``why``: what the record and the account have in common (the record itself, key, email or userName). ``linked``: the
    record has another object already. ``adopt``: the command that adopts the account; None if it cannot be adopted.
    ``first``: what to do before that command.
    """

    directory: str
    id: str
    name: str
    why: str
    linked: bool
    adopt: str | None = None
    first: str | None = None


class Account(Struct):
    """An object that is linked to no record.

    ``attributes``: its attributes as JSON. ``record``: directory and id of its record, if the target stores them.
    """

    kind: Kind
    target_id: str
    key: str | int | None
    attributes: msgspec.Raw
    protected: bool
    record: tuple[str, str] | None = None
    candidates: list[AdoptionCandidate] = []


async def unlinked(database: Database | None, config: Config, jobs: Sequence[PullJob], name: str) -> list[Account]:
    """The accounts of a target that are linked to no record. Changes nothing.

    Raises ConfigError if the target cannot list its objects, and TargetError.
    """
    deliveries = [(job, one) for job in jobs for one in job.targets if one.target.name == name]
    _, delivery = deliveries[0]
    if not delivery.connector.capabilities.list:
        raise ConfigError(
            f"target {name}: the connector {delivery.target.connector} cannot list the objects of a target",
            "use the application itself to list its accounts",
        )
    found: list[Account] = []
    async with connected(delivery, config.folder, structlog.get_logger(target=name)) as (target, context):
        identity = await target.identity()
        number = _number(database, identity, name)
        for kind in Kind:
            page: list[Held] = []
            async for held in cast("Inspectable", target).list(kind):
                page.append(held)
                if len(page) == PAGE:
                    found += _unlinked_accounts(database, number, context, kind, page)
                    page = []
            found += _unlinked_accounts(database, number, context, kind, page)
    if database is not None:
        for job, one in deliveries:
            _Search(database, number, job, one, found).run()
    return found


def _number(database: Database | None, identity: str, name: str) -> int:
    """The number of the target in the state; -1, which no target has, if nothing was delivered to it."""
    if database is None:
        return -1
    with database.read() as connection:
        number = targets.by_identity(connection, identity, name)
    return -1 if number is None else number


def _unlinked_accounts(
    database: Database | None, number: int, context: TargetRunContext, kind: Kind, page: Sequence[Held]
) -> Iterator[Account]:
    linked: Mapping[str, int] = {}
    if database is not None:
        with database.read() as connection:
            linked = links.linked(connection, number, kind, [held.target_id for held in page])
    names = context.layouts[kind].attributes
    for held in page:
        if held.target_id not in linked:
            shown = {one: held.attributes[one] for one in names if held.attributes.get(one) is not None}
            protected = context.protected(kind, held.key, held.attributes)
            attributes = msgspec.Raw(msgspec.json.encode(shown))
            yield Account(kind, held.target_id, held.key, attributes, protected, held.record)


class _Search:
    """Finds the records of one directory that might own accounts."""

    def __init__(
        self, database: Database, number: int, job: PullJob, delivery: TargetRules, accounts: Iterable[Account]
    ) -> None:
        self._database = database
        self._number = number
        self._directory = job.directory.name
        self._names = RecordNames(database, self._directory, job.rules)
        self._rules = delivery.rules
        self._by_word: dict[tuple[Kind, str], list[Account]] = {}
        self._by_record: dict[tuple[Kind, str], list[Account]] = {}
        for account in accounts:
            for word in set(_words(account)):
                self._by_word.setdefault((account.kind, word), []).append(account)
            if account.record is not None and account.record[0] == self._directory:
                self._by_record.setdefault((account.kind, account.record[1]), []).append(account)

    def run(self) -> None:
        with self._database.read() as connection:
            reading = known(connection, self._directory)
            if reading is None or not (self._by_word or self._by_record):
                return
            drift = Drift()
            try:
                selection = Selection(reading.id, self._number, since=None, due=None, drift=drift)
                for kind, page in shape_each(connection, self._rules, selection, datetime.now(UTC)):
                    for shaped in page:
                        self._add_candidates(kind, shaped)
            finally:
                drift.close()

    def _add_candidates(self, kind: Kind, shaped: Shaped) -> None:
        record, layout = shaped.candidate, self._rules.layouts[kind]
        key = (shaped.shape or {}).get(layout.key)
        words = {_folded(key): f"the same {layout.key}"} if key is not None else {}
        for name, value in self._compared_values(kind, shaped).items():
            words.setdefault(_folded(value), f"the same {name}")
        reasons: dict[int, tuple[Account, str]] = {}
        for account in self._by_record.get((kind, record.id), ()):
            reasons[id(account)] = account, "its record"
        for word, why in words.items():
            for account in self._by_word.get((kind, word), ()):
                reasons.setdefault(id(account), (account, why))
        for account, why in reasons.values():
            account.candidates = [*account.candidates, self._candidate(kind, shaped, account, why, key, layout.key)]

    def _candidate(
        self, kind: Kind, shaped: Shaped, account: Account, why: str, key: Any, attribute: str
    ) -> AdoptionCandidate:
        record = shaped.candidate
        self._names.load(kind, [record.id])
        name = self._names.short(kind, record.id)
        linked = record.state is not None
        found = AdoptionCandidate(self._directory, record.id, name, why, linked)
        if linked or account.protected or key is None:
            return found
        found.adopt = f"usersyncd sync {self._directory} --adopt {record.id}"
        if account.key != key and account.record != (self._directory, record.id):
            found.first = f"change its {attribute} to {key}"
        return found

    def _compared_values(self, kind: Kind, shaped: Shaped) -> dict[str, str]:
        if shaped.candidate.attributes is None or kind is Kind.GROUP:
            return {}
        try:
            canonical = self._rules.canonical(kind, shaped.candidate.id, decode(shaped.candidate.attributes))
        except RuleError:
            return {}
        return {name: canonical[name] for name in COMPARED if isinstance(canonical.get(name), str)}


def _words(account: Account) -> Iterator[str]:
    """The words of an account that may identify its record: its key, address and login."""
    if account.key is not None:
        yield _folded(account.key)
    if account.kind is Kind.USER:
        for name, value in msgspec.json.decode(account.attributes).items():
            if name.replace("_", "").casefold() in COMPARED_IN_TARGET and isinstance(value, str) and value.strip():
                yield _folded(value)


def _folded(value: object) -> str:
    return str(value).strip().casefold()
