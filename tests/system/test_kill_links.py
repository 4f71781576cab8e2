"""A sync that is killed at any system call while keys move is completed by the next one."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from tests.system.kills import Company, Folder

SEED = 20261127


def test_a_sync_killed_at_some_system_calls_is_completed(tmp_path: Path) -> None:
    killed_at_any(tmp_path, SEED, 8)


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(5))
def test_a_sync_killed_at_many_system_calls_is_completed(tmp_path: Path, seed: int) -> None:
    killed_at_any(tmp_path, seed, 100)


def killed_at_any(folder: Path, seed: int, kills: int) -> None:
    """Let one of two twins be killed so often: after each edit both hold the same, and what the directory says."""
    chance = random.Random(seed)
    company = Company(random.Random(seed))
    calm, killed = Folder(folder / "calm"), Folder(folder / "killed")
    for twin in (calm, killed):
        company.write(twin.path)
        twin.sync(consent=False)
    _verify(company, calm, killed)
    while kills > 0:
        company.round()
        kills -= _round(company, calm, killed, chance)
        _verify(company, calm, killed)


def _round(company: Company, calm: Folder, killed: Folder, chance: random.Random) -> int:
    """An edit, perhaps another one between two runs: how often the one twin was killed."""
    times = 0
    for edit in range(chance.choice([1, 1, 2])):
        if edit:
            company.edit()
        for twin in (calm, killed):
            company.write(twin.path)
        calls = calm.sync(consent=company.consent)
        for _ in range(chance.randint(1, 4)):
            times += killed.killed(chance.choice(calls), consent=company.consent)
    killed.sync(consent=company.consent)
    return times


def _verify(company: Company, calm: Folder, killed: Folder) -> None:
    company.passwords()
    for twin in (calm, killed):
        twin.passwords()
    for twin in (calm, killed):
        assert twin.app() == company.contents(nested=False), twin.path.name
        assert twin.own() == company.contents(nested=True), twin.path.name
        assert twin.record_ids() == company.records(), twin.path.name
