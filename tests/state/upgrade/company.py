"""Reads the company of the fixtures from its files, and computes what a target must hold."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

REFUSED = "Refused"
"""The name of the person that every target refuses."""


class Person(NamedTuple):
    email: str
    name: str
    active: bool
    password: str | None


class Company:
    """The directories below ``folder``. ``first``: the addresses that people had when they got a password."""

    def __init__(self, folder: Path, directories: Sequence[str], first: dict[tuple[str, str], str]) -> None:
        self._folder, self._directories, self._first = folder, directories, first

    def records(self) -> dict[str, tuple[str, str]]:
        """Return directory and id by email."""
        return {row["email"]: (directory, row["id"]) for directory, row in self._users()}

    def people(self, leavers: Iterable[tuple[str, str, str]]) -> list[Person]:
        """Return all people that the target must hold. ``leavers``: id in acme, email, name."""
        here = [
            Person(row["email"], row["displayName"], row["active"] == "true", self._password(directory, row["id"]))
            for directory, row in self._users()
        ]
        left = [Person(email, name, False, self._password("acme", id_)) for id_, email, name in leavers]
        return sorted([*here, *left])

    def edges(self, *, nested: bool) -> set[tuple[str, str]]:
        """Return the memberships: name of the group, and address of the member or name of a ``nested`` group."""
        return {edge for directory in self._directories for edge in self._edges(directory, nested)}

    def _edges(self, directory: str, nested: bool) -> Iterator[tuple[str, str]]:
        groups = {row["id"]: row["displayName"] for row in _rows(self._folder / directory / "groups.csv")}
        users = {row["id"]: row["email"] for where, row in self._users() if where == directory}
        rows = [(row["group_id"], row["member_id"]) for row in _rows(self._folder / directory / "members.csv")]
        for group, name in groups.items():
            for member in self._members(group, rows, groups, nested):
                if member in groups or member in users:
                    yield name, groups.get(member) or users[member]

    def _members(
        self, group: str, rows: Sequence[tuple[str, str]], groups: dict[str, str], nested: bool
    ) -> Iterator[str]:
        for where, member in rows:
            if where == group:
                if nested or member not in groups:
                    yield member
                else:
                    yield from self._members(member, rows, groups, nested)

    def _users(self) -> Iterator[tuple[str, dict[str, str]]]:
        for directory in self._directories:
            for row in _rows(self._folder / directory / "users.csv"):
                if row["displayName"] != REFUSED:
                    yield directory, row

    def _password(self, directory: str, id_: str) -> str | None:
        first = self._first.get((directory, id_))
        return first and f"of {first}"


def _rows(file: Path) -> list[dict[str, str]]:
    with file.open(newline="") as opened:
        return list(csv.DictReader(opened))
