"""The option ``--exceed``: a person's consent to a plan over a limit, bound to exactly its harmful changes."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Annotated

import typer

from usersyncd.errors import ConfigError, UsersyncError

if TYPE_CHECKING:
    from usersyncd.core.report import RunReport

SHOWN = 12
"""How many digits of a hash the commands show."""
_ENOUGH = re.compile(r"[0-9a-f]{8,64}")

ExceedOption = Annotated[
    list[str] | None,
    typer.Option(
        "--exceed",
        metavar="HASH",
        help="Deliver a held plan if its harmful changes are exactly those with this hash (repeatable).",
        show_default=False,
    ),
]


def hashes(exceed: Sequence[str] | None) -> frozenset[str]:
    """The first digits of the hashes behind ``--exceed``. Raises ConfigError."""
    found = [_digits(one) for one in exceed or ()]
    for given, digits in zip(exceed or (), found, strict=True):
        if not _ENOUGH.fullmatch(digits):
            raise ConfigError(
                f"--exceed {given}: this is no hash of harmful changes",
                "give at least 8 digits of the one that `usersyncd plan` shows for a held plan",
            )
    return frozenset(found)


def command(directory: str, harm: str) -> str:
    """The command that consents to the plan of a directory."""
    return f"usersyncd sync {directory} --exceed {_digits(harm)[:SHOWN]}"


def unmet(exceed: frozenset[str], reports: Sequence[RunReport]) -> Iterator[UsersyncError]:
    """What to say of each hash that was given and that no plan has."""
    targets = [(report, target) for report in reports for target in report.targets]
    held = sorted({report.directory for report, target in targets if target.held})
    harms = [_digits(target.harm) for _, target in targets if target.harm is not None]
    for digits in sorted(exceed):
        if any(harm.startswith(digits) for harm in harms):
            continue
        if held:
            yield UsersyncError(
                f"--exceed {digits}: the harmful changes of what is held are others",
                f"look at them again with `usersyncd plan {' '.join(held)}`, and give the hash that it shows",
            )
        else:
            yield ConfigError(
                f"--exceed {digits}: no plan has these harmful changes, and nothing is held",
                "they were delivered before, or the directory does not ask for them any more: nothing is to be done",
            )


def _digits(hash_: str) -> str:
    from usersyncd.core.plan import PREFIX

    return hash_.lower().removeprefix(PREFIX)
