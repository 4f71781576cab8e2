"""Names and messages from outside that would take over a terminal: every command shows them as escapes."""

from __future__ import annotations

import json

import pytest
from rich.text import Text

from tests.cli.company import DIRECTORY, Company
from tests.cli.running import Ran, Usersyncd
from usersyncd.cli.text import console

HOSTILE = "\x1b]0;owned\x07\x9b2J\u202eevil\u2028acme  succeeded\x7f"
OBEYED = {*map(chr, range(0x20)), *map(chr, range(0x7F, 0xA0)), *"\u2028\u2029\u202a\u202b\u202c\u202d\u202e"} - {"\n"}


def harmless(ran: Ran) -> Ran:
    for printed in (ran.out.replace("\r\n", "\n"), ran.err):  # CSV ends its lines so.
        assert OBEYED.isdisjoint(printed), printed
    return ran


@pytest.fixture
def hostile(company: Company) -> Company:
    """The company, with control characters in the names of a user and a group."""
    company.edit_row("u-0002", lambda row: row.replace("Stanisław Źrebiec", HOSTILE))
    company.edit("groups.csv", lambda text: text.replace(",web,", f",web{HOSTILE},", 1))
    return company


def test_every_command_shows_control_characters_as_escapes(usersyncd: Usersyncd, hostile: Company) -> None:
    assert "owned" in harmless(usersyncd("check", "--online")).out
    assert "\\x1b]0;owned\\x07\\x9b2J\\u202eevil" in harmless(usersyncd("plan", "--all")).out
    harmless(usersyncd("plan", "--json"))
    harmless(usersyncd("sync"))
    assert hostile.sql("SELECT display_name FROM users WHERE id = 'u-0002'") == [(HOSTILE,)]
    hostile.sql(f"CREATE TRIGGER no BEFORE UPDATE ON users BEGIN SELECT RAISE(ABORT, 'no {HOSTILE}'); END")
    hostile.edit_row("u-0034", lambda row: row.replace("wolf.", "w."))
    (run,) = json.loads(harmless(usersyncd("sync", "--json", "--changes")).out)["directories"]
    assert " ".join(HOSTILE.split()) in run["targets"][0]["failed"][0]["error"]
    hostile.sql(f"INSERT INTO users (directory, id, user_name, display_name) VALUES ('acme', 'x', 'x', '{HOSTILE}')")
    for command in (["status"], ["status", "--json"], ["show", run["run"]], ["accounts"], ["accounts", "--csv"]):
        assert "owned" in harmless(usersyncd(*command)).out, command
    for command in (["history"], ["history", "--json"], ["accounts", "--json"], ["forget"]):
        harmless(usersyncd(*command))


def test_errors_about_the_configuration_show_escapes_too(usersyncd: Usersyncd, company: Company) -> None:
    company.configure(DIRECTORY.replace("connector: csv", f"connector: {json.dumps(HOSTILE)} # \u202eowned"))
    for command in (["check"], ["check", "--json"], ["sync"], ["run"]):
        ran = harmless(usersyncd(*command))
        assert ran.code == 2
        assert "owned" in ran.out + ran.err


def test_an_argument_that_cannot_be_shown_is_refused(usersyncd: Usersyncd, company: Company) -> None:
    ran = harmless(usersyncd("show", HOSTILE))
    assert ran.code == 2
    assert ran.err.startswith("the argument \\x1b]0;owned")


def test_a_terminal_gets_only_the_escapes_that_set_colours() -> None:
    out = console(width=200)
    with out.capture() as captured:
        out.print(Text(f"a {HOSTILE}\nb", style="red"))
    first, second = captured.get().splitlines()
    assert "a \\x1b]0;owned\\x9b2J\\u202eevil\\u2028acme  succeeded\\x7f" in first
    assert "b" in second
