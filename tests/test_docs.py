"""The documents are correct: the target of every link exists, and so does every command and option."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import cast

import click
import pytest
import typer

from usersyncd.cli import app

ROOT = Path(__file__).parents[1]
PLACES = ("*.md", "docs/**/*.md", "examples/*/README.md", "systemd/README.md")
DOCUMENTS = sorted(document for place in PLACES for document in ROOT.glob(place))


def links(document: Path) -> list[str]:
    found = re.findall(r"\]\(([^)\s]+)\)", document.read_text("utf-8"))
    return [link for link in found if not link.startswith("https://")]


def anchors(document: Path) -> set[str]:
    """The anchors that GitHub gives to the headings."""
    headings = re.findall(r"^#+ (.*)$", document.read_text("utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("document", DOCUMENTS, ids=[str(document.relative_to(ROOT)) for document in DOCUMENTS])
def test_the_links_lead_somewhere(document: Path) -> None:
    broken = []
    for link in links(document):
        path, _, anchor = link.partition("#")
        target = document.parent / path if path else document
        if not target.exists() or (anchor and anchor not in anchors(target)):
            broken.append(link)
    assert broken == []


def test_the_check_finds_the_documents() -> None:
    assert {"README.md", "CONTRIBUTING.md", "CHANGELOG.md"} <= {document.name for document in DOCUMENTS}
    assert sum(len(links(document)) for document in DOCUMENTS) > 50


COMMANDS = cast("click.Group", typer.main.get_command(app)).commands
SHELL = re.compile(r"&&|\|\||[|;>]| {2,}#")


def commands(document: Path) -> Iterator[tuple[str, list[str]]]:
    """Each command of usersyncd that a document names as code, with its options."""
    text = document.read_text("utf-8")
    blocks = re.findall(r"^ *```(?:sh|console)\n(.*?)^ *```", text, re.DOTALL | re.MULTILINE)
    spans = re.findall(r"`([^`\n]+)`", re.sub(r"^ *```.*?^ *```", "", text, flags=re.DOTALL | re.MULTILINE))
    for code in (*(line for block in blocks for line in block.splitlines()), *spans):
        for part in SHELL.split(code):
            found = re.fullmatch(r"\s*(?:\$ )?(?:\S*/)?usersyncd(?: -c \S+)? ([a-z]+)( .*)?|([a-z]+)( --.*)", part)
            if found and ((name := found[1] or found[3]) in COMMANDS or found[1]):
                yield name, re.findall(r"(?<!\S)--[a-z-]+", found[2] or found[4] or "")


def unknown(document: Path) -> Iterator[str]:
    """The commands and options of a document that do not exist."""
    for name, options in commands(document):
        if name not in COMMANDS:
            yield name
            continue
        inner = getattr(COMMANDS[name], "commands", {}).values()
        parameters = [parameter for command in (COMMANDS[name], *inner) for parameter in command.params]
        known = {option for parameter in parameters for option in parameter.opts}
        yield from (f"{name} {option}" for option in options if option not in known)


def test_the_commands_and_options_exist() -> None:
    described = [document for document in DOCUMENTS if document.name != "CHANGELOG.md"]  # It also names removed ones.
    assert [(document.name, name) for document in described for name in unknown(document)] == []


def test_the_check_finds_a_wrong_command_or_option(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text(
        "`usersyncd plann` and `sync --exced HASH`, then `usersyncd plan --verify && usersyncd sync --adopt`:\n"
        "```console\n$ usersyncd show 1 --jsn | jq .\n```\n"
    )
    assert list(unknown(page)) == ["show --jsn", "plann", "sync --exced"]


def test_the_check_finds_the_commands() -> None:
    found = [name for document in DOCUMENTS for name, _ in commands(document)]
    assert len(found) > 100
    assert set(COMMANDS) <= set(found)
