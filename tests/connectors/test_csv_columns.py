"""A column that rules read and the header lacks would be null for everybody: whoever looks is told."""

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


def lacks(name: str, there: str) -> str:
    return f"users.csv: the rules read the column {name} of users, which the header lacks: {there}"


@pytest.mark.parametrize(
    ("reads", "told"),
    [
        ({"userName", "phone"}, []),
        ({"Cost center"}, [lacks("Cost center", "did you mean Cost centre?")]),
        ({"cost_centre"}, [lacks("cost_centre", "did you mean Cost centre?")]),
        ({"badge"}, [lacks("badge", "it has id, userName, Cost centre, Departement, E-Mail, phone, mobile")]),
        ({"title", "active"}, [lacks("title", "it has id, userName, Cost centre, Departement, E-Mail, phone, mobile")]),
        (
            CANONICAL_USER,
            [
                lacks("costCenter", "did you mean Cost centre?"),
                lacks("department", "did you mean Departement?"),
                lacks("email", "did you mean E-Mail?"),
            ],
        ),
        (CANONICAL_USER | {"Phone"}, 4),
        (None, []),
    ],
)
def test_a_column_that_rules_read_in_vain_is_said_with_the_nearest_one(
    tmp_path: Path, reads: set[str] | None, told: list[str] | int
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
    assert (len(said) if isinstance(told, int) else said) == told


def test_groups_have_columns_too(tmp_path: Path) -> None:
    (tmp_path / "users.csv").write_text("id\n1\n")
    (tmp_path / "groups.csv").write_text("id,Display Name\ng,Staff\n")
    log = Log()
    reads = {Kind.USER: frozenset[str](), Kind.GROUP: frozenset({"displayName", "email", "description"})}
    context = source_context(tmp_path, reads=reads, log=log)
    asyncio.run(read(CsvSource(CsvOptions.model_validate({"users": "users.csv", "groups": "groups.csv"}), context)))
    assert ["displayName of groups" in entry["event"] for entry in log.entries] == [True]
