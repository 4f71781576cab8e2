"""A folder with a configuration, its directories, its targets, and the daemon and commands that work on it."""

from __future__ import annotations

import json
import os
import signal
import sqlite3
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from datetime import UTC, datetime
from itertools import count
from pathlib import Path
from random import Random
from typing import Any

from msgspec import Struct

from tests.system.daemon import PATIENCE, PROGRAM, Daemon
from tests.system.forks import Forked
from tests.system.soak.company import SITES, Company

LIMIT = 5
"""How many people the guard lets through at once."""
CONFIG = """\
state: sqlite:///state.db
directories:
  acme:
    connector: csv
    every: 1s
    options: {{users: acme/users.csv, groups: acme/groups.csv, members: acme/members.csv}}
{corp}lookups:
  places: {{file: places.csv, key: site, value: place}}
targets:
  app:
    connector: sql
    options: {{url: "sqlite:///app.db", create_tables: true}}
    guard: &guard
      {{deactivations: 5, deletes: unlimited, member_removals: unlimited, adoptions: unlimited, updates: unlimited,
        reactivations: unlimited, blanked: unlimited, emptied: unlimited, at_least: 6, window: 1s}}
    users:
      where: {where}
      key: email
      set:
        email: user.email
        name: {name}
        active: user.active
        place: default(lookup("places", user.raw.site), "nowhere")
        teams: user.groups.join(";")
    groups:
      key: name
      set: {{name: group.displayName}}
  acme-own:
    connector: sql
    directories: [acme]
    deliver: after_approval
    memberships: direct
    guard: *guard
    options: {{url: "sqlite:///acme-own.db", create_tables: true}}
{corp_own}"""
CORP = """\
  corp:
    connector: csv
    every: {every}
    options: {{users: corp/users.csv, groups: corp/groups.csv, members: corp/members.csv}}
"""
CORP_OWN = """\
  corp-own:
    connector: sql
    directories: [corp]
    leavers: {delete_after: 1s}
    guard: {at_least: 1000000}
    options: {url: "sqlite:///corp-own.db", create_tables: true}
    users:
      key: ref
      set:
        ref: user.id
        mail: user.email
        active: user.active
        term: 'user.validUntil == null ? "open" : timestamp(user.validUntil) <= now() ? "over" : "running"'
"""


class Settings(Struct):
    """What the configuration says."""

    corp: bool = True
    """Whether the directory and its own target are in the file."""
    every: str = "1s"
    """How often corp is read."""
    interns: bool = False
    """Whether app gets interns."""
    upper: bool = False
    """Whether app gets names in capitals."""


class Run(Struct):
    """A run of the history."""

    kind: int
    subject: str
    started: datetime
    finished: datetime | None
    status: str | None
    report: dict[str, Any]


def hurry() -> None:
    """Let the daemon look for decisions, dates and changed lookup files more often."""
    from usersyncd.daemon import approvals, daemon, dates

    approvals.PAUSE = dates.PAUSE = daemon.LOOKUPS_PAUSE = 0.3


class Site:
    """``companies`` are the directories, ``settings`` what the configuration says, ``places`` the lookup file."""

    def __init__(self, folder: Path, dice: Random) -> None:
        self.folder = folder
        self.settings = Settings()
        self.companies = {name: Company(name, folder, dice) for name in ("acme", "corp")}
        self.places: dict[str, str] = {}
        self.dice = dice
        self.daemon: Daemon
        self.config = folder / "config.yaml"
        self._numbers = count(1)
        self.change_places()
        self.configure()
        for company in self.companies.values():
            company.write()
        self.start()

    # ---- what is written

    @property
    def listed(self) -> list[str]:
        """The directories that the configuration names."""
        return ["acme", "corp"] if self.settings.corp else ["acme"]

    def targets(self) -> dict[str, list[str]]:
        """The targets that the configuration names, with the directories of each."""
        own = {f"{name}-own": [name] for name in self.listed}
        return {"app": self.listed, **own}

    def configure(self, *, broken: bool = False) -> None:
        """Write the configuration as the settings say. ``broken``: with an unknown key."""
        now = self.settings
        text = CONFIG.format(
            corp=CORP.format(every=now.every) if now.corp else "",
            corp_own=CORP_OWN if now.corp else "",
            where="'true'" if now.interns else 'user.userType != "Intern"',
            name="user.displayName.upperAscii()" if now.upper else "user.displayName",
        )
        self._replace(self.config, text.replace("every: 1s", "evry: 1s") if broken else text)

    def change_places(self) -> None:
        """Write other values to the lookup file."""
        self.places = {site: f"Place {next(self._numbers)}" for site in self.dice.sample(SITES, 3)}
        self.write_places()

    def write_places(self, *, broken: bool = False) -> None:
        """Write the lookup file. ``broken``: without the column that the configuration names."""
        rows = "".join(f'"{site}",{place}\n' for site, place in self.places.items())
        self._replace(self.folder / "places.csv", f"site,{'plaice' if broken else 'place'}\n{rows}")

    def _replace(self, file: Path, text: str) -> None:
        part = file.with_suffix(".part")
        part.write_text(text, "utf-8")
        part.replace(file)

    # ---- the daemon

    def start(self) -> None:
        """Start the daemon, and wait for its first run."""
        began = datetime.now(UTC)
        self.daemon = Daemon(self.config, {}, prepare=hurry)
        self.wait("it did not start", lambda: any(run.started > began for run in self.runs(began)))

    def end(self, number: signal.Signals) -> None:
        """End the daemon by a signal. Its log must have no error that was not provoked."""
        code, _ = self.daemon.end(number)
        assert code == (0 if number == signal.SIGTERM else -number)
        faults = [line for line in self.daemon.lines() if line["level"] in ("error", "critical")]
        unexpected = [
            line for line in faults
            if line["event_name"] not in ("config.fault", "config.not_reloaded")
            and "users.csv" not in json.dumps(line)  # It was written in part.
            and "members.csv" not in json.dumps(line)  # It was read between two files.
        ]  # fmt: skip
        assert not unexpected, json.dumps(unexpected, indent=1)

    def wait(self, what: str, holds: Callable[[], object]) -> None:
        """Until something holds."""
        self.daemon.wait(what, holds)

    def reloads(self, name: str = "config.reloaded") -> int:
        """How often the log of this daemon has an event."""
        return sum(line["event_name"] == name for line in self.daemon.lines())

    def reload(self, name: str = "config.reloaded") -> None:
        """Send SIGHUP, and wait until the log has that event once more."""
        before = self.reloads(name)
        self.daemon.process.send_signal(signal.SIGHUP)
        self.wait(f"the log has no {name}", lambda: self.reloads(name) > before)

    def usersyncd(self, *arguments: str) -> tuple[int, Any]:
        """Run a command from outside. Returns its exit code and its document."""
        out, errors = self.folder / "command.out", self.folder / "command.errors"
        out.unlink(missing_ok=True)
        command = [str(PROGRAM), "-c", str(self.config), *arguments, "--json"]
        process = Forked(command, out, {**os.environ, "TZ": "UTC"}, errors=errors)
        code = process.wait(5 * PATIENCE)  # The daemon delivers again and again, and the command has to find a gap.
        text = out.read_text("utf-8")
        return code, json.loads(text) if text else None

    # ---- what happened

    def runs(self, since: datetime) -> list[Run]:
        """The runs that began since a moment, in their order."""
        columns = "kind, subject, started, finished, status, report"
        return [
            Run(kind, subject, datetime.fromisoformat(began), ended and datetime.fromisoformat(ended), status,
                json.loads(report))
            for kind, subject, began, ended, status, report in self.query(
                f"SELECT {columns} FROM runs WHERE started > ? ORDER BY number", since.isoformat()
            )
        ]  # fmt: skip

    def journal(self, after: int) -> Iterator[tuple[Any, ...]]:
        """The changes of the runs with a higher number: the run's number, id and report, and the entry."""
        columns = "r.number, r.id, r.report, j.target, j.directory, j.op, j.kind, j.id, j.before, j.after, j.members"
        yield from self.query(
            f"SELECT {columns} FROM journal j LEFT JOIN runs r ON r.id = j.run "
            "WHERE r.number IS NULL OR r.number > ? ORDER BY r.number, j.seq",
            after,
        )

    def query(self, sql: str, *parameters: Any, file: str = "state.db") -> list[tuple[Any, ...]]:
        """What a database answers; nothing as long as there is no such table."""
        path = self.folder / file
        if not path.exists():
            return []
        deadline = time.monotonic() + PATIENCE
        while True:
            try:
                with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True, timeout=10)) as database:
                    return database.execute(sql, parameters).fetchall()
            except sqlite3.OperationalError as error:
                if "no such table" in str(error):
                    return []
                if time.monotonic() > deadline:
                    raise
