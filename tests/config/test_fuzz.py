"""Loading any file gives a configuration or a ConfigError, never another exception."""

from __future__ import annotations

import tempfile
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from usersyncd.cli.common import print_error
from usersyncd.config import Config, load
from usersyncd.config.document import Document
from usersyncd.errors import ConfigError

pytestmark = pytest.mark.usefixtures("acme")

WHOLE = """\
state: {url: sqlite:///state.db, password: {env: X}}
directories:
  desk: &desk
    connector: acme-paper
    every: 1h
    complete: daily at 02:00
    options: {url: [a, b], pages: [1], inks: {a: {blots: 2, seal: {file: x}}}}
    attributes: {title: role}
targets:
  shelf:
    connector: acme-shelf
    options: {height: 3}
    directories: [desk]
    users: {where: user.active, key: a, set: {a: user.id, b: {value: [1]}}}
    leavers: {delete_after: 30d}
    guard: {deletes: 5%, at_least: 0}
lookups: {a: {b: c}, d: {file: x, key: y, value: z}}
"""
PIECES = [
    "*desk",
    "&desk",
    "<<",
    ":",
    "- ",
    "!x",
    "{",
    "}",
    "[",
    "]",
    "'",
    '"',
    "|",
    "null",
    "no",
    "012",
    "1e9",
    "\t",
    "#",
    "---",
    "\x00",
    "\ufeff",
    "é",
    "\u2028",
]

relaxed = settings(deadline=None, max_examples=80, suppress_health_check=[HealthCheck.function_scoped_fixture])


def survives(data: bytes) -> None:
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder, "config.yaml")
        file.write_bytes(data)
        try:
            config = load(file)
        except ConfigError as error:
            print_error(error)
        else:
            assert isinstance(config, Config)


@relaxed
@given(st.binary(max_size=60))
def test_any_bytes_give_a_configuration_or_an_error(data: bytes) -> None:
    survives(data)


@relaxed
@given(st.text(st.sampled_from("abc:-?[]{}&*!|>'\"%@`#\n\t ,0123no~<=.\\u"), max_size=60))
def test_text_that_is_nearly_yaml_gives_a_configuration_or_an_error(text: str) -> None:
    survives(text.encode())


@relaxed
@given(st.integers(0, len(WHOLE)), st.integers(0, 12), st.sampled_from(PIECES) | st.text(max_size=4))
def test_a_damaged_file_gives_a_configuration_or_an_error(at: int, cut: int, piece: str) -> None:
    survives((WHOLE[:at] + piece + WHOLE[at + cut :]).encode("utf-8", "surrogatepass"))


leaves = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5)
KEYS = (
    "state url password directories targets desk connector options users groups set key where value lookups file guard "
    "deletes leavers every complete attributes email inks pages"
)
names = st.sampled_from(KEYS.split())
trees = st.recursive(
    leaves | names | st.just("acme-paper"),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(names, inner, max_size=5),
    max_leaves=30,
)


@relaxed
@given(st.dictionaries(names, trees, max_size=5))
def test_any_tree_of_known_keys_gives_a_configuration_or_an_error(tree: object) -> None:
    import yaml

    survives(yaml.safe_dump(tree, allow_unicode=True).encode("utf-8", "surrogatepass"))


@relaxed
@given(st.text(max_size=80))
def test_excerpts_never_fail(text: str) -> None:
    for fault in Document("f", text).faults():
        assert fault.line >= 1
        assert fault.column >= 1
