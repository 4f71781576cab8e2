"""``init``, ``schema``, ``connectors``, and what all commands share."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import time
from pathlib import Path

import jsonschema  # type: ignore[import-untyped]
import pytest

from tests.cli.running import Usersyncd

pytestmark = pytest.mark.usefixtures("acme")


def test_init_writes_a_configuration_that_passes_check(usersyncd: Usersyncd) -> None:
    ran = usersyncd("init")
    assert (ran.code, ran.out) == (
        0,
        "usersyncd.yaml is written. Edit it, then try it: usersyncd -c usersyncd.yaml check --online\n",
    )
    assert usersyncd("check").code == 0


def test_init_with_its_examples_switched_on_passes_check_too(usersyncd: Usersyncd) -> None:
    pytest.importorskip("ldap", reason="the extra ldap is not installed")
    usersyncd("init", "whole.yaml")
    file = Path("whole.yaml")
    lines = file.read_text("utf-8").splitlines()
    file.write_text("\n".join(re.sub(r"^#(?= {2,}\S|\S)", "", line) for line in lines), encoding="utf-8")
    ran = usersyncd("-c", file, "check")
    assert ran.err == ""
    assert "Directories: people, corp." in ran.out


def test_init_never_overwrites(usersyncd: Usersyncd) -> None:
    Path("mine.yaml").write_text("precious")
    ran = usersyncd("init", "mine.yaml")
    assert (ran.code, ran.out) == (2, "")
    assert ran.err.startswith("mine.yaml exists already and was left as it is\n  → ")
    assert Path("mine.yaml").read_text() == "precious"


def test_init_says_when_it_cannot_write(usersyncd: Usersyncd) -> None:
    ran = usersyncd("init", "no/folder/x.yaml")
    assert ran.code == 2
    assert ran.err.startswith("no/folder/x.yaml cannot be written: No such file or directory")


def test_schema_prints_a_json_schema(usersyncd: Usersyncd) -> None:
    schema = json.loads(usersyncd("schema").out)
    jsonschema.Draft202012Validator.check_schema(schema)
    assert "csv" in schema["$defs"]["DirectorySection"]["properties"]["connector"]["enum"]


def test_connectors_lists_what_is_installed_and_what_is_wrong_with_it(usersyncd: Usersyncd) -> None:
    ran = usersyncd("connectors")
    assert ran.code == 0
    assert any(line.split() == ["acme-shelf", "target", "acme-connectors", "1.2"] for line in ran.out.splitlines())
    assert "made for version 3 of the connector contract; this usersyncd needs version 2" in ran.out
    found = {one["name"]: one for one in json.loads(usersyncd("connectors", "--json").out)["connectors"]}
    assert found["acme-paper"] == {
        "name": "acme-paper",
        "kind": "source",
        "distribution": "acme-connectors",
        "version": "1.2",
        "error": None,
    }


def test_without_a_configuration_the_error_says_where_it_was_looked_for(usersyncd: Usersyncd) -> None:
    ran = usersyncd("check")
    assert (ran.code, ran.out) == (2, "")
    assert ran.err == (
        "there is no configuration file: neither usersyncd.yaml nor /etc/usersyncd/config.yaml\n"
        "  → name one with --config FILE, or write one with `usersyncd init`\n"
    )


@pytest.mark.parametrize("arguments", [["chek"], ["check", "--onlin"], ["connectors", "x"]])
def test_wrong_usage_is_exit_code_2(usersyncd: Usersyncd, arguments: list[str]) -> None:
    ran = usersyncd(*arguments)
    assert (ran.code, ran.out) == (2, "")
    assert "Error" in ran.err


@pytest.mark.parametrize("arguments", [["show", "\udcff"], ["sync", "--adopt", "J\udcf6rg"]])
def test_an_argument_that_is_not_utf8_is_refused(usersyncd: Usersyncd, arguments: list[str]) -> None:
    ran = usersyncd(*arguments)
    assert (ran.code, ran.out) == (2, "")
    shown = arguments[-1].encode("utf-8", "backslashreplace").decode()
    assert ran.err == f"the argument {shown} is not UTF-8\n  → set the terminal's encoding to UTF-8\n"


def test_a_path_that_is_not_utf8_is_refused(usersyncd: Usersyncd, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = Path("f\udcfflder")
    folder.mkdir()
    monkeypatch.chdir(folder)
    Path("usersyncd.yaml").write_text("")
    for command in (["sync"], ["check"], ["status", "--json"]):
        ran = usersyncd(*command)
        assert (ran.code, ran.out) == (2, "")
        assert ran.err.endswith("/f\\udcfflder/usersyncd.yaml is not UTF-8\n  → rename that file or folder\n")
    monkeypatch.setenv("USERSYNCD_CONFIG", "x\udcff.yaml")
    assert "x\\udcff.yaml is not UTF-8" in json.loads(usersyncd("check", "--json").out)["errors"][0]["message"]


def test_the_version_is_printed_without_heavy_imports(usersyncd: Usersyncd) -> None:
    assert usersyncd("--version") == (0, "usersyncd 0.1.0\n", "")
    heavy = ("pydantic", "sqlalchemy", "cel_expr_python", "rich.console", "yaml")
    code = f"import sys, usersyncd.cli; print([name for name in {heavy} if name in sys.modules])"
    started = time.monotonic()
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
    assert time.monotonic() - started < 20


def test_python_m_usersyncd_is_the_command_line() -> None:
    done = subprocess.run([sys.executable, "-m", "usersyncd", "--version"], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, "usersyncd 0.1.0\n", "")


def test_a_reader_that_ends_early_causes_no_stack_trace() -> None:
    done = subprocess.run(
        f"{sys.executable} -c 'from usersyncd.cli import main; main()' schema | head -c 10",
        shell=True,
        capture_output=True,
        text=True,
        check=False,
    )
    assert "Traceback" not in done.stderr
