"""``usersyncd check --online``: connects to every directory and target, and changes nothing."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Coroutine, Mapping
from contextlib import aclosing
from datetime import UTC, datetime
from functools import partial
from typing import Any, cast

import msgspec
import structlog
from msgspec import Struct
from rich.table import Table
from rich.text import Text

from usersyncd.cli import text
from usersyncd.cli.protect import protected_by_key
from usersyncd.cli.saved_state import saved_state
from usersyncd.config import Config
from usersyncd.context import SourceRunContext
from usersyncd.core.digest import encode
from usersyncd.core.report import PullRun
from usersyncd.core.rules import RuleError, Rules
from usersyncd.core.storable_text import escaped, with_replacements
from usersyncd.deliver import ambiguous_groups
from usersyncd.deliver.work import connected
from usersyncd.errors import ConnectorError, SourceError, UsersyncError, in_short
from usersyncd.job import PullJob, TargetRules
from usersyncd.plugin import CANONICAL, Done, Kind, Members, Page, Record, Source
from usersyncd.pull.save import group_name_of
from usersyncd.state import directories, journal
from usersyncd.words import many

RUNS = 100
"""How many runs of a directory are searched for its last push."""
PEOPLE = 3
"""How many people are shown."""
BROKEN_SHOWN = 20
"""How many records with broken text are named."""


class CheckResult(Struct):
    """Result of checking one directory or target: its description, what looks wrong in it, or the error."""

    name: str
    connector: str
    found: list[str] = []
    warnings: list[str] = []
    error: str | None = None


class DirectoryCheckResult(CheckResult):
    """The result for a directory, with the counts of a complete pull.

    Memberships are counted as the directory lists them. ``people`` holds the first users, with canonical attributes.
    """

    users: int = 0
    groups: int = 0
    memberships: int = 0
    people: list[dict[str, Any]] = []


class CheckResults(Struct):
    """The results in the order of the configuration."""

    directories: list[DirectoryCheckResult]
    targets: list[CheckResult]

    @property
    def ok(self) -> bool:
        return all(result.error is None for result in (*self.directories, *self.targets))

    def as_json(self) -> dict[str, Any]:
        """The fields that ``check --online --json`` adds."""
        return cast("dict[str, Any]", msgspec.to_builtins(self))


async def check_all(config: Config, jobs: Mapping[str, PullJob], show: Callable[[CheckResult], None]) -> CheckResults:
    """Check every directory and target in turn, and call ``show`` with each result. A failure stops no other check."""
    results = CheckResults([], [])
    for job in jobs.values():
        directory_result = DirectoryCheckResult(job.directory.name, job.directory.connector)
        await _catch_errors(directory_result, partial(_check_directory, config, job))
        show(directory_result)
        results.directories.append(directory_result)
    # The rules of any directory describe the target: the form of shapes does not depend on the directory.
    deliveries = {one.target.name: one for job in reversed([*jobs.values()]) for one in job.targets}
    for target in config.targets.values():
        result = CheckResult(target.name, target.connector)
        await _catch_errors(result, partial(_check_target, config, deliveries[target.name]))
        show(result)
        results.targets.append(result)
    return results


async def _catch_errors(result: CheckResult, attempt: Callable[[Any], Coroutine[Any, Any, None]]) -> None:
    try:
        await attempt(result)
    except UsersyncError as error:
        result.error = str(error)
    except Exception as error:
        fault = f"this is a fault of the connector {result.connector}: report it to its author"
        result.error = str(ConnectorError(f"{type(error).__name__}: {error}", fault))


async def _check_directory(config: Config, job: PullJob, result: DirectoryCheckResult) -> None:
    directory = job.directory
    context = SourceRunContext(
        name=directory.name,
        folder=config.folder,
        log=structlog.get_logger(directory=directory.name),
        reads=job.reads,
        mapped=directory.attributes,
    )
    assert job.connector is not None  # noqa: S101 - the directory is in the file
    async with context:
        source = job.connector(directory.options, context)
        result.found = [in_short(line) for line in await source.check()]
        if job.receiving is None:
            await _count(source, job, result)
        else:
            _add_received(config, directory.name, result)


def _add_received(config: Config, directory: str, result: DirectoryCheckResult) -> None:
    """Add what a directory has pushed so far. Raises StateError."""
    with saved_state(config) as database:
        if database is None:
            result.found.append("pushed nothing yet")
            return
        with database.read() as connection:
            state = directories.known(connection, directory)
            runs = journal.history(connection, RUNS, directory, kinds=[journal.RunKind.PULL])
    if state is not None:
        result.users, result.groups, result.memberships = state.users, state.groups, state.memberships
    last = next((run.started for run in runs if isinstance(run, PullRun) and run.cause == "push"), None)
    result.found.append("pushed nothing yet" if last is None else f"pushed last at {text.local(last)}")


async def _count(source: Source, job: PullJob, result: DirectoryCheckResult) -> None:
    """Add a complete pull to the result. Raises SourceError if the pull is incomplete."""
    done, counter = False, _PullCounter(job, result)
    async with aclosing(cast("Any", source.pull(None))) as pages:
        async for page in pages:
            if isinstance(page, Done):
                done = True
            else:
                counter.add(page)
    if not done:
        raise SourceError(
            "the source stopped before `Done`: the pull is incomplete",
            "if the error remains, report it to the author of the connector",
        )
    result.warnings += counter.warnings()


class _PullCounter:
    """Counts the items of a pull, and collects what looks wrong in them."""

    def __init__(self, job: PullJob, result: DirectoryCheckResult) -> None:
        self._result = result
        self._rules = job.rules
        self._group_name = group_name_of(job.rules)
        self._compared = frozenset[str]().union(*(one.rules.reads.group_names for one in job.targets))
        self._named: defaultdict[str, set[str]] = defaultdict(set)
        self._broken: list[str] = []

    def add(self, page: Page) -> None:
        for item in page:
            if isinstance(item, Members):
                self._result.memberships += len(item.added)
            elif isinstance(item, Record):
                self._broken += _broken(item)
                (self._add_group if item.kind is Kind.GROUP else self._add_user)(item)

    def _add_group(self, group: Record) -> None:
        self._result.groups += 1
        if (name := self._group_name(group.attributes) or "") in self._compared:
            self._named[name].add(group.id)

    def _add_user(self, user: Record) -> None:
        self._result.users += 1
        if len(self._result.people) < PEOPLE:
            self._result.people.append(_person(self._rules, user))

    def warnings(self) -> list[str]:
        """Warnings about groups with the same name, if a rule compares it, and about text that cannot be stored."""
        found = [*ambiguous_groups.warnings_about(self._named)]
        found += [f"{what}: this is not valid Unicode" for what in self._broken[:BROKEN_SHOWN]]
        if (more := len(self._broken) - BROKEN_SHOWN) > 0:
            found.append(f"and {more:,} more have text that is not valid Unicode")
        return found


def _broken(record: Record) -> list[str]:
    """Name the attributes of a record that cannot be stored, if any."""
    try:
        encode([record.id, record.attributes, record.handles])
    except UnicodeEncodeError:
        names = with_replacements(record.attributes)[1] or ["its id, or a name that groups use for it"]
        return [f"{record.kind} {escaped(record.id)}: {', '.join(names)}"]
    return []


def _person(rules: Rules, record: Record) -> dict[str, Any]:
    try:
        return rules.canonical(
            record.kind, escaped(record.id), with_replacements(record.attributes)[0], datetime.now(UTC)
        )
    except RuleError as error:
        raise SourceError(
            f"the user {record.id} cannot be mapped: {error}", "correct the rule under `attributes`"
        ) from None


async def _check_target(config: Config, delivery: TargetRules, result: CheckResult) -> None:
    log = structlog.get_logger(target=delivery.target.name)
    async with connected(delivery, config.folder, log) as (connector, context):
        await connector.identity()
        result.found = [in_short(line) for line in await connector.check()]
        covered, result.warnings = await protected_by_key(connector, context)
        result.found += covered


# ---- for a person


def show(result: CheckResult) -> None:
    """Print one result."""
    if not isinstance(result, DirectoryCheckResult):
        _show("target", result)
        return
    _show("directory", result)
    if result.error is None:
        counts = ", ".join(
            (many(result.users, "user"), many(result.groups, "group"), many(result.memberships, "membership"))
        )
        text.show(Text(f"  would read {counts}"))
        if result.people:
            text.show(_people(result))


def _show(what: str, result: CheckResult) -> None:
    failed = result.error is not None
    verdict = ("failed", "bold red") if failed else ("ok", "green")
    heading = Text.assemble("\n", (f"{what} {result.name}", "bold"), f" ({result.connector}): ", verdict)
    text.show(heading)
    for line in result.found:
        text.show(Text(f"  {line}"))
    for line in result.warnings:
        text.show(Text("\n  ".join(f"  warning: {line}".split("\n")), style="yellow"))
    if result.error is not None:
        text.show(Text("\n".join(f"  {line}" for line in result.error.split("\n")), style="red"))


def _people(result: DirectoryCheckResult) -> Table:
    """The first people, one column each, so that each attribute is one line."""
    table = Table(box=None, show_header=False, padding=(0, 1))
    table.add_column(no_wrap=True, style="dim")
    for _ in result.people:
        table.add_column(overflow="fold")
    for name in CANONICAL[Kind.USER]:
        if any(name in person for person in result.people):
            table.add_row(Text(f" {name}"), *(text.value(person.get(name)) for person in result.people))
    return table
