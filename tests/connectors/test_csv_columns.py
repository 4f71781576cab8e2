"""A column that rules read and the header lacks would be null for all records: the log and `check` warn."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from usersyncd.plugin import CANONICAL, Kind
from usersyncd.testing import Log, read, source_context
from usersyncd_csv import CsvSource
from usersyncd_csv.options import CsvOptions

HEADER = "id,userName,Cost centre,Departement,E-Mail,phone,mobile\n1,ada,42,R&D,ada@acme.example,1,\n"
CANONICAL_USER = frozenset(CANONICAL[Kind.USER]) - {"id"}


def warning(name: str, there: str) -> str:
    return f"users.csv: the rules read the column {name} of users, which the header lacks: {there}"


@pytest.mark.parametrize(
    ("reads", "warnings"),
    [
        ({"userName", "phone"}, []),
        ({"Cost center"}, [warning("Cost center", "did you mean Cost centre?")]),
        ({"cost_centre"}, [warning("cost_centre", "did you mean Cost centre?")]),
        ({"badge"}, [warning("badge", "it has id, userName, Cost centre, Departement, E-Mail, phone, mobile")]),
        (
            {"title", "active"},
            [warning("title", "it has id, userName, Cost centre, Departement, E-Mail, phone, mobile")],
        ),
        (
            CANONICAL_USER,
            [
                warning("costCenter", "did you mean Cost centre?"),
                warning("department", "did you mean Departement?"),
                warning("email", "did you mean E-Mail?"),
            ],
        ),
        (CANONICAL_USER | {"Phone"}, 4),
        (None, []),
    ],
)
def test_a_missing_column_is_reported_with_the_most_similar_one(
    tmp_path: Path, reads: set[str] | None, warnings: list[str] | int
) -> None:
    (tmp_path / "users.csv").write_text(HEADER)
    log = Log()
    names = {Kind.USER: None if reads is None else frozenset(reads), Kind.GROUP: frozenset({"displayName"})}
    source = CsvSource(
        CsvOptions.model_validate({"users": "users.csv"}), source_context(tmp_path, reads=names, log=log)
    )
    asyncio.run(read(source))
    said = [entry["event"].removeprefix(f"{tmp_path}/") for entry in log.entries]
    checked = [line.removeprefix(f"warning: {tmp_path}/") for line in asyncio.run(source.check()) if "lacks" in line]
    assert said == checked
    assert (len(said) if isinstance(warnings, int) else said) == warnings


def test_missing_columns_of_groups_are_reported_too(tmp_path: Path) -> None:
    (tmp_path / "users.csv").write_text("id\n1\n")
    (tmp_path / "groups.csv").write_text("id,Display Name\ng,Staff\n")
    log = Log()
    reads = {Kind.USER: frozenset[str](), Kind.GROUP: frozenset({"displayName", "email", "description"})}
    context = source_context(tmp_path, reads=reads, log=log)
    asyncio.run(read(CsvSource(CsvOptions.model_validate({"users": "users.csv", "groups": "groups.csv"}), context)))
    assert ["displayName of groups" in entry["event"] for entry in log.entries] == [True]
