"""Records the dumps of this folder: what the release that runs this leaves behind, over each shape of tables.

git worktree add --detach ../old 1f5790c
PYTHONPATH=../old/src:../old/connectors .venv/bin/python -m tests.state.upgrade.make
"""

from __future__ import annotations

import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory

from tests.servers.postgres import Postgres
from tests.state.upgrade.databases import PostgresDatabase, Recorded, SqliteDatabase
from tests.state.upgrade.shapes import FOLDER, SHAPES, Shape, config

USERSYNCD = "from usersyncd.cli import main; main()"
GUARD = "{at_least: 100}"
LEAVER = "u09,Ida,ida@acme.example,true,9\n"
LEAVERS_GROUP = "g1,u09,user\n"


def make() -> None:
    with TemporaryDirectory(prefix="upgrade-") as made:
        server = Postgres.start(Path(made))
        try:
            for shape in SHAPES:
                for dialect in shape.dialects:
                    folder = Path(made, f"{shape.name}-{dialect}")
                    folder.mkdir()
                    record(shape, dialect, folder, _database(dialect, server, folder))
        finally:
            server.stop()


def _database(dialect: str, server: Postgres, folder: Path) -> Callable[[str], Recorded]:
    return lambda name: SqliteDatabase(folder / f"{name}.db") if dialect == "sqlite" else PostgresDatabase(server)


def record(shape: Shape, dialect: str, folder: Path, database: Callable[[str], Recorded]) -> None:
    """A first reading, one without the leaver (``calm``), and a third that is killed before it is acknowledged."""
    state, target = database("state"), database("app")
    target.run(*shape.tables(dialect))
    for name in ("acme", "branch"):
        shutil.copytree(FOLDER / name, folder / name)
    config(folder, shape, state.url, target.url, GUARD)
    for file, line in (("users.csv", LEAVER), ("members.csv", LEAVERS_GROUP)):
        with (folder / "acme" / file).open("a") as opened:
            opened.write(line)
    _sync(folder)
    target.run(*shape.passwords)
    shutil.copytree(FOLDER / "acme", folder / "acme", dirs_exist_ok=True)
    _sync(folder)
    _write(shape, dialect, "calm", state, target)
    shutil.copytree(FOLDER / "later", folder / "acme", dirs_exist_ok=True)
    _killed(folder, shape, state, target)
    _write(shape, dialect, "killed", state, target)


def _sync(folder: Path) -> None:
    done = subprocess.run(_command(folder), check=False, capture_output=True, text=True)
    assert done.returncode == 1, f"one record is to fail:\n{done.stdout}{done.stderr}"
    print(done.stdout)


def _killed(folder: Path, shape: Shape, state: Recorded, target: Recorded) -> None:
    """Run, and kill it once the target has committed and before the state can take the answer."""
    before = target.dump()
    with target.held(shape.users):
        process = subprocess.Popen([*_command(folder), "acme"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        _wait(lambda: bool(state.run("SELECT 1 FROM delivered WHERE sure = 0")))
        time.sleep(0.3)  # The state commits what is given; the target waits.
        lock = state.held("journal")
        lock.__enter__()
    _wait(lambda: target.dump() != before)
    process.kill()
    process.wait()
    lock.__exit__(None, None, None)


def _wait(happened: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 20
    while not happened():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def _command(folder: Path) -> list[str]:
    return [sys.executable, "-c", USERSYNCD, "-c", str(folder / "config.yaml"), "sync"]


def _write(shape: Shape, dialect: str, moment: str, state: Recorded, target: Recorded) -> None:
    folder = FOLDER / shape.name / dialect
    folder.mkdir(exist_ok=True)
    (folder / f"{moment}.state.sql").write_text(state.dump())
    (folder / f"{moment}.target.sql").write_text(target.dump())


if __name__ == "__main__":
    make()
