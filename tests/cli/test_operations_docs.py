"""docs/operations.md shows what the commands print: one person, an adoption, a restored state, drift; and
docs/configuration.md shows a held plan."""

from __future__ import annotations

import re
import shutil
import sqlite3
from pathlib import Path
from textwrap import dedent

from tests.cli.company import DIRECTORY, TARGET
from tests.cli.running import Usersyncd

PAGE = (Path(__file__).parents[2] / "docs" / "operations.md").read_text(encoding="utf-8")


def section(heading: str) -> str:
    """What stands below a heading, up to the next one of its level or above."""
    level = heading.partition(" ")[0]
    text = PAGE.partition(f"\n{heading}\n")[2]
    return re.split(rf"^#{{2,{len(level)}}} ", text, maxsplit=1, flags=re.MULTILINE)[0]


WHO = section("## Why is she not in the app?")
ADOPTION = section("### A new record has the key of an existing account")
ACCOUNTS = section("### Accounts without a link")
RESTORED = section("### A restored target, a restored state")
DRIFT = section("## Drift")
CONFIGURATION = (Path(__file__).parents[2] / "docs" / "configuration.md").read_text(encoding="utf-8")
HELD = CONFIGURATION.partition("\n### Approval\n")[2].partition("\n### ")[0]


def blocks(text: str, language: str) -> list[str]:
    """The blocks of a language, without the indentation of a list item."""
    found = re.findall(rf"^( *)```{language}\n(.*?)^\1```$", text, re.DOTALL | re.MULTILINE)
    return [dedent(block) for _, block in found]


def shown(text: str) -> list[tuple[str, str]]:
    """Each command, and what it prints."""
    parts = [block.removeprefix("$ usersyncd ").partition("\n") for block in blocks(text, "console")]
    return [(command, output) for command, _, output in parts]


def untimed(text: str) -> str:
    text = re.sub(r"in \d+\.\d s", "in 0.0 s", text)
    return re.sub(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d|\b[0-9A-Z]{26}\b", "0", text).rstrip()


def assert_printed(usersyncd: Usersyncd, commands: list[tuple[str, str]]) -> None:
    for command, output in commands:
        assert untimed(usersyncd(*command.split()).out) == untimed(output)


def change(folder: Path, script: str) -> None:
    with sqlite3.connect(folder / "app.db") as application:
        application.executescript(script)


def test_the_commands_print_what_the_page_shows(usersyncd: Usersyncd, tmp_path: Path) -> None:
    (tmp_path / "hr.csv").write_text(blocks(ADOPTION, "csv")[0], "utf-8")
    (tmp_path / "usersyncd.yaml").write_text(blocks(ADOPTION, "yaml")[0], "utf-8")
    change(tmp_path, blocks(ADOPTION, "sql")[0])
    (sync, plan), (accounts,) = shown(ADOPTION), shown(ACCOUNTS)
    assert [command for command, _ in (sync, accounts, plan)] == [
        "sync hr --changes", "accounts app", "plan hr --adopt 2",
    ]  # fmt: skip
    assert_printed(usersyncd, [sync, accounts, plan])


def test_one_person_is_explained_as_the_page_shows(usersyncd: Usersyncd, tmp_path: Path) -> None:
    (tmp_path / "hr.csv").write_text(blocks(WHO, "csv")[0], "utf-8")
    (tmp_path / "usersyncd.yaml").write_text(blocks(WHO, "yaml")[0], "utf-8")
    assert usersyncd("sync").code == 0
    assert len(shown(WHO)) == 2
    assert_printed(usersyncd, shown(WHO))


def test_a_held_plan_shows_what_the_page_shows(usersyncd: Usersyncd, tmp_path: Path) -> None:
    (tmp_path / "usersyncd.yaml").write_text(DIRECTORY.replace("acme:", "hr:").replace("acme/", "") + TARGET)
    for many in (20, 8):
        rows = "".join(f"u{number:02},u{number:02}@acme.example\n" for number in range(many))
        (tmp_path / "users.csv").write_text(f"id,email\n{rows}")
        (tmp_path / "groups.csv").write_text("id,displayName\n")
        (tmp_path / "members.csv").write_text("group_id,member_id\n")
        if many == 20:
            assert usersyncd("sync").code == 0
    [(command, output)] = shown(HELD)
    ran = usersyncd(*command.split())
    assert ran.code == 3
    assert untimed(ran.out) == untimed(output)
    consent = ran.out.rpartition(":\n")[2].split()
    assert usersyncd(*consent[1:], "--yes").code == 0
    assert usersyncd("sync", "hr").code == 0


def test_somebody_who_came_and_left_since_the_backup_becomes_a_leaver(usersyncd: Usersyncd, tmp_path: Path) -> None:
    (tmp_path / "usersyncd.yaml").write_text("state: sqlite:///state.db\n" + blocks(RESTORED, "yaml")[0], "utf-8")
    before, then = "id,displayName\n1,Ada\n", "id,displayName\n1,Ada\n2,Zoe\n"
    (tmp_path / "hr.csv").write_text(before, "utf-8")
    assert usersyncd("sync").code == 0
    shutil.copy(tmp_path / "state.db", tmp_path / "backup.db")
    (tmp_path / "hr.csv").write_text(then, "utf-8")
    assert usersyncd("sync").code == 0
    (tmp_path / "hr.csv").write_text(before, "utf-8")
    for name in ("state.db-wal", "state.db-shm"):
        (tmp_path / name).unlink(missing_ok=True)
    shutil.copy(tmp_path / "backup.db", tmp_path / "state.db")
    [(command, output)] = shown(RESTORED)
    assert command == "sync hr --changes"
    assert_printed(usersyncd, [(command, output)])
    with sqlite3.connect(tmp_path / "app.db") as application:
        assert application.execute("SELECT id, active FROM users ORDER BY id").fetchall() == [("1", 1), ("2", 0)]


def test_accounts_finds_them_in_the_tables_of_an_application(usersyncd: Usersyncd, tmp_path: Path) -> None:
    """The steps of the page: adopt who came since, verify, list the accounts of who came and left."""
    for command in ("plan DIRECTORY --adopt", "sync DIRECTORY --adopt", "sync --verify", "accounts"):
        assert f"`usersyncd {command}`" in RESTORED
    (tmp_path / "usersyncd.yaml").write_text("state: sqlite:///state.db\n" + blocks(ADOPTION, "yaml")[0], "utf-8")
    change(tmp_path, "CREATE TABLE account (id INTEGER PRIMARY KEY, email TEXT UNIQUE, name TEXT, active BOOLEAN)")
    ada = "id,email,displayName\n1,ada@x,Ada\n"
    (tmp_path / "hr.csv").write_text(ada, "utf-8")
    assert usersyncd("sync").code == 0
    shutil.copy(tmp_path / "state.db", tmp_path / "backup.db")
    (tmp_path / "hr.csv").write_text(ada.replace("Ada", "Queen") + "2,zoe@x,Zoe\n3,bob@x,Bob\n", "utf-8")
    assert usersyncd("sync").code == 0
    (tmp_path / "hr.csv").write_text(ada + "3,bob@x,Bob\n", "utf-8")
    shutil.copy(tmp_path / "backup.db", tmp_path / "state.db")
    for name in ("state.db-wal", "state.db-shm"):
        (tmp_path / name).unlink(missing_ok=True)
    assert "1 user to adopt" in usersyncd("plan", "hr", "--adopt").out
    assert usersyncd("sync", "hr", "--adopt").code == 0
    assert "1 changed" in usersyncd("sync", "--verify").out
    out = usersyncd("accounts").out
    assert "1 object without a link" in out
    assert "zoe@x" in out
    with sqlite3.connect(tmp_path / "app.db") as application:
        assert application.execute("SELECT name FROM account ORDER BY id").fetchall() == [("Ada",), ("Zoe",), ("Bob",)]


def test_a_verification_finds_changes_in_the_target(usersyncd: Usersyncd, tmp_path: Path) -> None:
    for name, text in zip(("hr.csv", "groups.csv", "members.csv"), blocks(DRIFT, "csv"), strict=True):
        (tmp_path / name).write_text(text, "utf-8")
    (tmp_path / "usersyncd.yaml").write_text(blocks(DRIFT, "yaml")[0], "utf-8")
    assert usersyncd("sync").code == 0
    change(tmp_path, blocks(DRIFT, "sql")[0])
    [(command, output)] = shown(DRIFT)
    assert command == "plan hr --verify"
    assert_printed(usersyncd, [(command, output)])
    assert usersyncd("sync", "--verify").code == 0
    assert "nothing differs" in usersyncd("plan", "--verify").out


def test_the_page_names_the_messages() -> None:
    """The texts before the ellipses of the table are texts of the messages."""
    source = "".join(file.read_text("utf-8") for folder in ("src", "connectors") for file in _modules(folder))
    rows = re.search(r"^\| message \|.*\n\|---\|---\|\n((?:\|.*\n)+)", ADOPTION, re.MULTILINE)
    assert rows is not None
    for row in rows[1].splitlines():
        message = row.split("|")[1].strip().replace("user X", "…").replace("2 objects", "…")
        for part in filter(None, (part.strip(" ,:") for part in message.split("…"))):
            assert part in source or part == "its", part


def _modules(folder: str) -> list[Path]:
    return sorted((Path(__file__).parents[2] / folder).rglob("*.py"))
