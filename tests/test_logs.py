"""Logs: JSON lines, or text at a terminal, without secrets in either."""

from __future__ import annotations

import errno
import json
import logging
import os
import subprocess
import sys
from contextlib import redirect_stderr
from datetime import UTC, datetime
from io import StringIO
from typing import Any

import pytest
import structlog

from usersyncd import logs
from usersyncd.errors import ConfigError


def lines(capsys: pytest.CaptureFixture[str]) -> list[dict[str, Any]]:
    captured = capsys.readouterr()
    assert captured.out == "", "logs belong on standard error"
    return [json.loads(line) for line in captured.err.splitlines()]


def test_a_line_is_one_json_object_with_time_level_event_and_context(capsys: pytest.CaptureFixture[str]) -> None:
    logs.configure()
    structlog.get_logger().bind(directory="hr", run="01J").info("run finished", users=212, event_name="run.finished")
    [line] = lines(capsys)
    assert list(line) == ["timestamp", "level", "event", "event_name", "directory", "run", "users"]
    assert line | {"timestamp": ""} == {
        "timestamp": "",
        "level": "info",
        "event": "run finished",
        "event_name": "run.finished",
        "directory": "hr",
        "run": "01J",
        "users": 212,
    }
    assert abs((datetime.now(UTC) - datetime.fromisoformat(line["timestamp"])).total_seconds()) < 60


def test_a_line_of_a_plugin_that_has_no_name_says_so(capsys: pytest.CaptureFixture[str]) -> None:
    logs.configure()
    structlog.get_logger().info("read everything")
    [line] = lines(capsys)
    assert line["event_name"] == "unnamed"


def test_names_in_any_script_stay_readable(capsys: pytest.CaptureFixture[str]) -> None:
    logs.configure()
    structlog.get_logger().info("skipped", person="Łukasz 李 Ωmega")
    assert "Łukasz 李 Ωmega" in capsys.readouterr().err


def test_an_exception_is_one_line_with_its_traceback(capsys: pytest.CaptureFixture[str]) -> None:
    logs.configure()
    try:
        raise ValueError("cannot reach postgresql://sync:hunter2@db/app")
    except ValueError:
        structlog.get_logger().exception("run failed")
    [line] = lines(capsys)
    assert line["level"] == "error"
    assert "ValueError: cannot reach postgresql://sync:***@db/app" in line["exception"]


def test_lines_below_the_level_are_left_out(capsys: pytest.CaptureFixture[str]) -> None:
    logs.configure("warning")
    structlog.get_logger().info("quiet")
    structlog.get_logger().warning("heard")
    assert [line["event"] for line in lines(capsys)] == ["heard"]


def test_an_unknown_level_is_a_usage_error() -> None:
    with pytest.raises(ConfigError, match=r"no log level 'loud'\n.*debug, info, warning, error") as caught:
        logs.configure("loud")
    assert caught.value.exit_code == 2


def test_libraries_log_warnings_in_the_same_form(capsys: pytest.CaptureFixture[str]) -> None:
    logs.configure("debug")
    logs.configure("debug")  # a second time must not double the lines
    library = logging.getLogger("sqlalchemy.pool")
    library.info("quiet")
    library.warning("lost %s", "postgresql://sync:hunter2@db/app")
    [line] = lines(capsys)
    assert (line["level"], line["logger"]) == ("warning", "sqlalchemy.pool")
    assert line["event_name"] == "library.message"
    assert line["event"] == "lost postgresql://sync:***@db/app"


def test_a_terminal_gets_text_instead_of_json(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NO_COLOR", "1")
    logs.configure(json=False)
    structlog.get_logger().info(
        "run finished\nwell", event_name="run.finished", directory="hr", run="01J", password="hunter2"
    )
    text = capsys.readouterr().err
    assert text[8:] == "  hr  run finished\n          well  password=***\n"


def test_a_terminal_gets_errors_in_colour(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("NO_COLOR", raising=False)
    logs.configure(json=False)
    structlog.get_logger().error("run failed")
    assert "\x1b[31mrun failed\x1b[0m" in capsys.readouterr().err


def test_control_characters_in_a_line_are_escaped(capsys: pytest.CaptureFixture[str]) -> None:
    logs.configure(json=False)
    structlog.get_logger().info("Ada \x1b[2J\u202e", person="\x1b]0;title\x07")
    text = capsys.readouterr().err
    assert "Ada \\x1b[2J\\u202e" in text
    assert "person=\\x1b]0;title\\x07" in text


def test_a_log_that_cannot_be_written_stops_nothing() -> None:
    class Full(StringIO):
        def write(self, text: str) -> int:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    logs.configure(json=True)
    with redirect_stderr(Full()):
        structlog.get_logger().info("nobody reads this")


def test_a_traceback_for_a_person_shows_no_local_variables(capsys: pytest.CaptureFixture[str]) -> None:
    def fails() -> None:
        local = "hunter" + "2"
        raise ValueError(len(local))

    logs.configure(json=False)
    try:
        fails()
    except ValueError:
        structlog.get_logger().exception("run failed")
    text = capsys.readouterr().err
    assert "ValueError: 7" in text
    assert "hunter2" not in text


def test_a_line_goes_to_the_current_standard_error() -> None:
    """A progress bar replaces standard error while it is shown, and prints lines above itself."""
    logs.configure()
    log = structlog.get_logger().bind(directory="hr")
    with redirect_stderr(StringIO()) as bar:
        log.info("above the bar")
    assert "above the bar" in bar.getvalue()


@pytest.mark.parametrize(
    ("given", "logged"),
    [
        ({"password": "hunter2"}, {"password": "***"}),
        ({"client_secret": "hunter2", "clientSecret": "hunter2"}, {"client_secret": "***", "clientSecret": "***"}),
        ({"access_token": "hunter2", "tokens": ["hunter2"]}, {"access_token": "***", "tokens": "***"}),
        ({"headers": {"Authorization": "hunter2"}}, {"headers": {"Authorization": "***"}}),
        ({"steps": [{"api_key": 5}]}, {"steps": [{"api_key": "***"}]}),
        ({"url": "mysql://u:p@ss:w@db:3306/x"}, {"url": "mysql://u:***@db:3306/x"}),
        ({"urls": ("redis://:hunter2@h",)}, {"urls": ["redis://:***@h"]}),
        ({"error": OSError("at https://u:p@h/x")}, {"error": "at https://u:***@h/x"}),
        ({"sent": "Authorization: Bearer abcdefgh.ijklmnop-_"}, {"sent": "Authorization: Bearer ***"}),
        ({"dsn": "host=db password=hunter2 user=u"}, {"dsn": "host=db password=*** user=u"}),
        ({"sent": "/token?client_secret=a%20b&scope=x"}, {"sent": "/token?client_secret=***&scope=x"}),
        # What only looks like one stays readable.
        ({"token_endpoint": "https://login/x"}, {"token_endpoint": "https://login/x"}),
        ({"url": "ldap://dc1:389/dc=corp"}, {"url": "ldap://dc1:389/dc=corp"}),
        ({"mail": "ada@acme.example"}, {"mail": "ada@acme.example"}),
        ({"password": None, "token": True}, {"password": None, "token": True}),
        ({"remedy": "Bearer authentication, Basic sign-in"}, {"remedy": "Bearer authentication, Basic sign-in"}),
    ],
)
def test_secrets_are_masked(given: dict[str, Any], logged: dict[str, Any]) -> None:
    assert logs.redact(None, "info", given) == logged


def test_the_journal_gets_the_priority() -> None:
    program = (
        "import structlog; from usersyncd import logs; logs.configure();"
        "log = structlog.get_logger(); log.info('a'); log.warning('b'); log.error('c')"
    )
    reader, writer = os.pipe()
    stream = os.fstat(writer)
    environment = os.environ | {"JOURNAL_STREAM": f"{stream.st_dev}:{stream.st_ino}"}
    subprocess.run([sys.executable, "-c", program], stderr=writer, env=environment, check=True)
    os.close(writer)
    with os.fdopen(reader) as journal:
        text = journal.read().splitlines()
    assert [line[:3] for line in text] == ["<6>", "<4>", "<3>"]
    assert [json.loads(line[3:])["event"] for line in text] == ["a", "b", "c"]


def test_a_long_text_is_cut(capsys: pytest.CaptureFixture[str]) -> None:
    logs.configure()
    try:
        raise ValueError("x" * 1_000_000)
    except ValueError:
        structlog.get_logger().exception("it failed: " + "y" * 1_000_000, answer=["z" * 1_000_000])
    [line] = lines(capsys)
    assert [len(line["event"]), len(line["answer"][0]), len(line["exception"])] == [2_001, 2_001, 20_001]
