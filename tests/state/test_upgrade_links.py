"""A state database of the last release is migrated to links, for each shape of tables: no object is lost or doubled."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.cli.running import Usersyncd
from tests.servers.postgres import Postgres
from tests.state.upgrade.company import Company, Person
from tests.state.upgrade.databases import PostgresDatabase, Recorded, SqliteDatabase
from tests.state.upgrade.shapes import FOLDER, SHAPES, Shape, config

GUARD = "{adoptions: 0, at_least: 1, deactivations: 100%, member_removals: 100%, reactivations: 100%, emptied: 100%}"
"""A single counted adoption would hold the whole plan."""
IDA = ("u09", "ida@acme.example", "Ida")
FAY = ("u06", "fay@acme.example", "Fay")
GUS = ("u07", "gus@acme.example", "Gus")
CASES = [(shape, dialect) for shape in SHAPES for dialect in shape.dialects]


class Upgraded:
    """State and target as the last release left them, in ``folder``, for the present ``usersyncd``."""

    def __init__(self, shape: Shape, folder: Path, state: Recorded, target: Recorded, usersyncd: Usersyncd) -> None:
        self.shape, self.folder, self._target, self._usersyncd = shape, folder, target, usersyncd
        for name in ("acme", "branch"):
            shutil.copytree(FOLDER / name, folder / name)
        self._config = config(folder, shape, state.url, target.url, GUARD)
        first = {record: email for email, record in Company(folder, ("acme", "branch"), {}).records().items()}
        first["acme", IDA[0]] = IDA[1]
        self.company = Company(folder, shape.directories, first)

    def sync(self) -> list[dict[str, Any]]:
        """Sync, and return the report of the target for each directory.

        Checks that only the refused record fails, and that nothing is held.
        """
        ran = self._usersyncd("-c", self._config, "sync", "--json")
        reports = [target for run in json.loads(ran.out)["directories"] for target in run["targets"]]
        assert [report["error"] for report in reports] == [None] * len(self.shape.directories), ran.err
        assert {failed["id"] for report in reports for failed in report["failed"]} == {"u10"}
        assert ran.code == 1, ran.out + ran.err
        return reports

    def later(self) -> None:
        """Change the directory to its later contents."""
        shutil.copytree(FOLDER / "later", self.folder / "acme", dirs_exist_ok=True)

    def edit(self, old: str, new: str) -> None:
        file = self.folder / "acme" / "users.csv"
        text = file.read_text()
        assert text.count(old) == 1
        file.write_text(text.replace(old, new))

    def people(self) -> list[Person]:
        found = (Person(*row[:4]) for row in self._target.run(self.shape.rows))
        return sorted(person._replace(active=bool(person.active)) for person in found)

    def ids(self) -> dict[str, object]:
        """Return the id of each row by its password, which is unique."""
        rows = self._target.run(self.shape.rows)
        return {row[3]: row[4] for row in rows if row[3] is not None and len(row) > 4}

    def verify(self, *leavers: tuple[str, str, str]) -> None:
        """Check that the target holds what the directories say, and these leavers."""
        assert self.people() == self.company.people(leavers)
        edges = self._target.run(self.shape.edges)
        assert len(edges) == len(set(edges))
        assert set(edges) == self.company.edges(nested=self.shape.nested)
        if self.shape.records is not None:
            held = {row[0]: row[1:] for row in self._target.run(self.shape.records)}
            left = {email: ("acme", id_) for id_, email, _ in leavers}
            assert held == self.company.records() | left


@pytest.fixture(params=CASES, ids=lambda case: f"{case[0].name}-{case[1]}")
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[tuple[Shape, Path, Recorded, Recorded]]:
    """The shape, a folder with its files, and an empty state and target database."""
    shape, dialect = request.param
    if dialect == "sqlite":
        yield shape, tmp_path, SqliteDatabase(tmp_path / "state.db"), SqliteDatabase(tmp_path / "app.db")
    else:
        server: Postgres = request.getfixturevalue("postgres")
        yield shape, tmp_path, PostgresDatabase(server), PostgresDatabase(server)


@pytest.fixture
def upgraded(
    request: pytest.FixtureRequest,
    place: tuple[Shape, Path, Recorded, Recorded],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> Upgraded:
    """State and target are loaded from the dumps that the test names."""
    shape, folder, state, target = place
    dialect = "sqlite" if isinstance(state, SqliteDatabase) else "postgresql"
    for database, moment, name in zip((state, target), request.param, ("state", "target"), strict=True):
        database.load((FOLDER / shape.name / dialect / f"{moment}.{name}.sql").read_text())
    return Upgraded(shape, folder, state, target, Usersyncd(monkeypatch, capsys))


def quiet(reports: list[dict[str, Any]]) -> bool:
    """Return whether nothing was changed."""
    return not any(count for report in reports for part in report["counts"].values() for count in part.values())


@pytest.mark.parametrize("upgraded", [("calm", "calm")], indirect=True, ids=["answered"])
def test_answered_changes_become_links_and_are_not_sent_again(upgraded: Upgraded) -> None:
    ids, people = upgraded.ids(), upgraded.people()
    assert quiet(upgraded.sync())
    assert (upgraded.ids(), upgraded.people()) == (ids, people)
    upgraded.verify(IDA)
    upgraded.later()
    upgraded.sync()
    upgraded.verify(IDA, FAY)
    assert upgraded.ids() == ids


@pytest.mark.parametrize(
    ("upgraded", "created"),
    [(("killed", "killed"), 0), (("killed", "calm"), 1)],
    indirect=["upgraded"],
    ids=["committed", "not-committed"],
)
def test_changes_that_were_not_answered_are_looked_up(upgraded: Upgraded, created: int) -> None:
    ids = upgraded.ids()
    upgraded.later()
    users = [report["counts"]["users"] for report in upgraded.sync()]
    assert [counts["create"] for counts in users] == [created, 0][: len(users)]
    assert not any(counts["adopt"] for counts in users)
    upgraded.verify(IDA, FAY)
    assert upgraded.ids() == ids
    assert quiet(upgraded.sync())


@pytest.mark.parametrize(
    "upgraded", [("calm", "calm"), ("killed", "killed")], indirect=True, ids=["answered", "committed"]
)
def test_after_the_upgrade_only_the_rows_of_changed_users_change(upgraded: Upgraded) -> None:
    ids = upgraded.ids()
    upgraded.later()
    upgraded.sync()
    before = set(upgraded.people())
    upgraded.edit("u07,Gus,gus@acme.example,true,7\n", "u13,Max,cy@acme.example,true,13\n")
    upgraded.edit("u03,Cy,cy@acme.example,true,3\n", "u03,Cy,cy.new@acme.example,true,3\n")
    upgraded.sync()
    upgraded.verify(IDA, FAY, GUS)
    assert upgraded.ids() == ids
    assert {person.name for person in before ^ set(upgraded.people())} == {"Gus", "Cy", "Max"}
    assert quiet(upgraded.sync())
