"""A daemon while dates fall due, plans are held and decided, files break and change, and it is killed: whenever nothing
is due, its targets hold what the directories, dates, rules and decisions say, and the journal explains how.

The short lives run with all tests. The long form (``make test-slow``) lives one life after the other for an hour, or
for ``USERSYNCD_SOAK_SECONDS``, from the seed ``USERSYNCD_SOAK_SEED`` on.
"""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path
from random import Random

import pytest

from tests.system.soak.life import Life
from tests.system.soak.site import Site

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="signals as Linux has them")

SECONDS = float(os.environ.get("USERSYNCD_SOAK_SECONDS", "3600"))
SEED = int(os.environ.get("USERSYNCD_SOAK_SEED", "1"))


def live(folder: Path, seed: int, rounds: int) -> Life:
    """One random life. Prints what happened in it."""
    folder.mkdir(exist_ok=True)
    dice = Random(seed)
    site = Site(folder, dice)
    life = Life(site, dice)
    try:
        life.begin()
        for _ in range(rounds):
            life.round()
        life.end()
    except BaseException:
        print(f"seed {seed}: {life.history}")
        raise
    finally:
        if site.daemon.process.poll() is None:
            site.daemon.process.kill()
        site.daemon.process.wait()
    print(f"seed {seed}", *life.describe(), sep="\n  ")
    return life


@pytest.mark.parametrize("seed", [1, 2])
def test_a_short_life(seed: int, tmp_path: Path) -> None:
    live(tmp_path, seed, 2)


@pytest.mark.slow
def test_many_lives(tmp_path: Path) -> None:
    deadline, seed = time.monotonic() + SECONDS, SEED
    while time.monotonic() < deadline:
        live(tmp_path / str(seed), seed, 12)
        seed += 1
