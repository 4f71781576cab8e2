"""What a piece of work costs: wall time, CPU time and memory of a process of its own. Uses the standard library only,
because peers run in other environments."""

from __future__ import annotations

import json
import resource
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from statistics import median
from typing import NamedTuple

ROOT = Path(__file__).parents[1]
LONG = 10.0
"""Seconds of a case from which on there are only three rounds."""


class Cost(NamedTuple):
    """Wall and CPU time in seconds, the latter in user and kernel mode, and the peak of memory in megabytes."""

    wall: float
    cpu: float
    megabytes: float


def report(work: Callable[[], object]) -> None:
    """Do the work in this process, and print its cost."""
    print(json.dumps(spent_by(work)))


def spent_by(work: Callable[[], object]) -> Cost:
    """The cost of work in this process, with the processes that it starts and waits for."""
    began, busy = time.perf_counter(), _cpu()
    work()
    took, spent = time.perf_counter() - began, _cpu() - busy
    own, started = (resource.getrusage(of).ru_maxrss for of in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    return Cost(took, spent, (own + started) / 1024)


def process(module: str, *arguments: object, python: str = sys.executable) -> Cost:
    """The cost that ``python -m module`` prints. Raises CalledProcessError."""
    command = [python, "-m", module, *map(str, arguments)]
    done = subprocess.run(command, stdout=subprocess.PIPE, check=True, text=True, cwd=ROOT)
    return Cost(*json.loads(done.stdout.splitlines()[-1]))


def rounds(cases: Mapping[str, Callable[[], Cost]]) -> dict[str, Cost]:
    """Measure the cases one after the other, again and again, and return the medians: of five rounds, or of three if a
    case takes long."""
    found: dict[str, list[Cost]] = {name: [] for name in cases}
    for done in range(5):
        if done == 3 and max(cost.wall for costs in found.values() for cost in costs) > LONG:
            break
        for name, case in cases.items():
            found[name].append(case())
    return {name: medians(costs) for name, costs in found.items()}


def medians(costs: Sequence[Cost]) -> Cost:
    """The medians of times and memory, each on its own."""
    return Cost(*map(median, zip(*costs, strict=True)))


def _cpu() -> float:
    used = [resource.getrusage(of) for of in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(each.ru_utime + each.ru_stime for each in used)
