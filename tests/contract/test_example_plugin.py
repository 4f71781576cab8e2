"""The examples of third-party connectors: installed as packages, they are found, work, and pass their own tests."""

from __future__ import annotations

import json
import os
import subprocess
import sysconfig
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path

import pytest

from tests.servers.process import missing

EXAMPLES = Path(__file__).parents[2] / "examples"
SOURCE, TARGET = EXAMPLES / "plugin", EXAMPLES / "target"

Run = Callable[..., str]


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    """A function that runs a program of this environment with the examples installed, and returns what it prints.

    The examples go into a folder of its own, which PYTHONPATH names: this environment stays as it is.
    """
    if find_spec("hatchling") is None:
        missing("hatchling is not installed, which builds the examples")
    site = tmp_path_factory.mktemp("site")
    paths = [str(site), *filter(None, [os.environ.get("PYTHONPATH")])]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(paths), "PYTHONDONTWRITEBYTECODE": "1"}

    def start(program: str, *arguments: str | Path) -> str:
        command = [f"{sysconfig.get_path('scripts')}/{program}", *map(str, arguments)]
        done = subprocess.run(command, env=environment, cwd=site, capture_output=True, text=True, timeout=600)
        assert done.returncode == 0, f"{command}\n{done.stdout}\n{done.stderr}"
        return done.stdout

    start(
        "pip", "install", "--quiet", "--no-index", "--no-deps", "--no-build-isolation", "--target", site, SOURCE, TARGET
    )
    return start


@pytest.mark.parametrize(("name", "kind"), [("passwd", "source"), ("jsonfile", "target")])
def test_connectors_lists_the_examples(run: Run, name: str, kind: str) -> None:
    found = json.loads(run("usersyncd", "connectors", "--json"))["connectors"]
    example = next(connector for connector in found if connector["name"] == name)
    assert example["kind"] == kind
    assert example["distribution"] == f"usersyncd-{name}"
    assert example["error"] is None


MACHINE = """\
state: sqlite:///state.db
directories:
  machine:
    connector: passwd
    options: {passwd: passwd, group: group}
"""


def test_the_example_source_reads_a_directory(run: Run, tmp_path: Path) -> None:
    (tmp_path / "passwd").write_text(
        "root:x:0:0::/root:/bin/sh\n"
        "ada:x:1000:1000:Ada Lovelace:/home/ada:/bin/sh\n"
        "build:x:1001:1000::/srv/build:/usr/sbin/nologin\n"
    )
    (tmp_path / "group").write_text("staff:x:1000:\nweb:x:1005:ada\n")
    config = tmp_path / "config.yaml"
    config.write_text(MACHINE)
    found = json.loads(run("usersyncd", "check", "--online", "--json", "--config", config))
    machine = found["directories"][0]
    assert (machine["users"], machine["groups"], machine["memberships"]) == (2, 2, 3)
    ada, build = machine["people"]
    assert (ada["id"], ada["userName"], ada["displayName"], ada["active"]) == ("1000", "ada", "Ada Lovelace", True)
    assert (build["id"], build["userName"], build["active"]) == ("1001", "build", False)


def test_the_example_target_delivers_a_directory(run: Run, tmp_path: Path) -> None:
    """From one example to the other."""
    (tmp_path / "passwd").write_text("ada:x:1000:1000:Ada Lovelace:/home/ada:/bin/sh\n")
    (tmp_path / "group").write_text("web:x:1005:ada\n")
    config = tmp_path / "config.yaml"
    config.write_text(f"{MACHINE}targets:\n  app: {{connector: jsonfile, options: {{path: people.json}}}}\n")
    run("usersyncd", "sync", "--config", config)
    document = json.loads((tmp_path / "people.json").read_text())
    entries = document["entries"]
    assert {(entry["kind"], *entry["record"]) for entry in entries.values()} == {
        ("user", "machine", "1000"),
        ("group", "machine", "1005"),
    }
    assert [[entries[end]["key"] for end in edge] for edge in document["members"]] == [["1005", "1000"]]


@pytest.mark.parametrize("example", [SOURCE, TARGET], ids=["source", "target"])
def test_the_tests_of_the_examples_pass(run: Run, tmp_path: Path, example: Path) -> None:
    """With pytest alone, as in a repository of its own: without this project's settings and plugins."""
    (tmp_path / "pytest.ini").write_text("[pytest]\n")
    run("pytest", "-q", "-p", "no:cacheprovider", "-p", "no:asyncio", "-c", tmp_path / "pytest.ini", example / "tests")
