"""Each fault of a rule stands at its own line and column of the file, however YAML has the rule written."""

from __future__ import annotations

from pathlib import Path

import pytest
from rich.cells import cell_len

from tests.config.writing import DESK, faults, written
from usersyncd.config import load
from usersyncd.errors import ConfigError, Fault
from usersyncd.job import jobs

pytestmark = pytest.mark.usefixtures("acme")

SHELF = """\
targets:
  shelf:
    connector: acme-shelf
    options: {height: 3}
"""


def rule_faults(folder: Path, text: str) -> list[Fault]:
    """Return the faults of the rules in a file that is valid otherwise."""
    with pytest.raises(ConfigError) as caught:
        jobs(load(written(folder, text)))
    return list(caught.value.faults)


def pointed_at(folder: Path, fault: Fault) -> str:
    """Return the text from the fault's place to the end of the line, and check that the caret points to it."""
    line = (folder / "config.yaml").read_text().splitlines()[fault.line - 1][fault.column - 1 :]
    shown, caret = fault.excerpt.split("\n")
    before, pointed = shown[: len(shown) - len(line)], shown[len(shown) - len(line) :]
    assert (pointed, cell_len(before)) == (line, caret.index("^")), "a wide character takes two cells"
    return line


@pytest.mark.parametrize(
    ("rule", "rest"),
    [
        ("user.emial", "emial}"),
        ("user.email == nobody", "nobody}"),
        ("'user.email == \"it''s\" + nobody'", "nobody'}"),
        ('"user.email == \\"a\\u00e9日\\x41\\" + nobody"', 'nobody"}'),
        ("&rule user.email == nobody", "nobody}"),
        ("!!str user.email == nobody", "nobody}"),
        ("user.email ==\n      nobody", "nobody}"),
        ("'user.email ==\n\n      \"a\" +\n    nobody'", "nobody'}"),
        ('"user.email ==\\\n      nobody"', 'nobody"}'),
        ('"user.email ==\\n\\t\\x20nobody"', 'nobody"}'),
    ],
)
def test_a_fault_in_a_plain_quoted_or_folded_scalar_has_its_place(tmp_path: Path, rule: str, rest: str) -> None:
    [found] = rule_faults(tmp_path, DESK + SHELF + f"    users: {{where: {rule}}}\n")
    assert (found.path, pointed_at(tmp_path, found)) == ("targets.shelf.users.where", rest)


@pytest.mark.parametrize("head", ["|", ">-  # why", "|2"])
def test_a_fault_in_a_block_scalar_has_its_place(tmp_path: Path, head: str) -> None:
    rule = f"    users:\n      where: {head}\n        user.email ==\n\n          nobody\n"
    [found] = rule_faults(tmp_path, DESK + SHELF + rule)
    assert (found.line, pointed_at(tmp_path, found)) == (12, "nobody")


def test_faults_behind_an_operator_of_another_language_keep_their_places(tmp_path: Path) -> None:
    rule = "    users:\n      where: |\n        user.emial = null and\n          nobody or\n        nothing\n"
    found = rule_faults(tmp_path, DESK + SHELF + rule)
    assert [pointed_at(tmp_path, fault) for fault in found] == [
        "emial = null and", "= null and", "and", "nobody or", "or", "nothing",
    ]  # fmt: skip


def test_an_expression_that_ends_too_early_is_marked_at_its_end(tmp_path: Path) -> None:
    [found] = rule_faults(tmp_path, DESK + SHELF + "    users:\n      where: |\n        user.active &&\n    groups:\n")
    assert (found.line, found.column) == (10, 23)
    assert found.excerpt == "            user.active &&\n                          ^"


def test_faults_in_the_rules_of_a_directory_have_their_places(tmp_path: Path) -> None:
    [found] = rule_faults(tmp_path, DESK + "    attributes: {title: 'raw.role +'}\n" + SHELF)
    assert (found.line, found.column, found.path) == (4, 36, "directories.desk.attributes.title")


def test_a_fault_has_its_line_however_the_file_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    written(tmp_path, DESK + SHELF + "    users: {where: user.emial != null}\n")
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ConfigError) as caught:
        jobs(load("./config.yaml"))
    assert [pointed_at(tmp_path, fault) for fault in caught.value.faults] == ["emial != null}"]


def test_a_fault_that_an_anchor_repeats_is_reported_once(tmp_path: Path) -> None:
    text = """\
        directories:
          desk: {connector: acme-paper}
          door: {connector: acme-paper}
        targets:
          shelf: &same
            connector: acme-shelf
            options: {height: 3}
            directories: [desk]
            users: {where: user.emial != null}
          rack:
            <<: *same
            directories: [door]
        """
    [found] = rule_faults(tmp_path, text)
    assert (found.line, found.column, found.path) == (9, 25, "targets.shelf.users.where")
    text = text.replace("height: 3", "height: 3, wdth: 4")
    assert [(one.line, one.path) for one in faults(tmp_path, text)] == [
        (7, "targets.shelf.options.wdth"),
        (9, "targets.shelf.users.where"),
    ]


def test_faults_of_the_file_and_of_its_rules_are_reported_together(tmp_path: Path) -> None:
    found = faults(
        tmp_path,
        """\
        directories:
          desk:
            connector: acme-paper
            evry: 5m
            attributes: {title: raw.role +, emial: x}
          drawer: {connector: acme-nothing, attributes: {title: raw.role -}}
        targets:
          shelf:
            connector: acme-shelf
            options: {height: 3, password: hunter2}
            users:
              where: user.active and user.emial != null
              key: lgin
              set:
                login: user.id +
                site: lookup("none", lookup("sites", user.title))
                wrong: 5
            leavers: {set: {login: user.nothing}}
            protect: {users: role = "root"}
        lookups:
          sites: {file: none.csv, key: code, value: city}
        """,
    )
    assert [(one.line, one.column, one.path.split(".")[-1]) for one in found] == [
        (4, 5, "evry"),
        (5, 35, "title"),
        (5, 37, "emial"),
        (6, 23, "connector"),
        (6, 67, "title"),
        (10, 26, "password"),
        (12, 26, "where"),
        (12, 35, "where"),
        (13, 12, "key"),
        (15, 25, "login"),
        (16, 21, "site"),
        (17, 16, "wrong"),
        (18, 33, "login"),
        (19, 27, "users"),
        (21, 17, "file"),
    ]
    assert all(one.excerpt for one in found)
    assert not any("hunter2" in one.excerpt for one in found)
