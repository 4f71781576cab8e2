"""The option ``--accept-missing``: a person's word that a directory really gave up an attribute."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from typing import TYPE_CHECKING, Annotated

import typer

from usersyncd.errors import ConfigError

if TYPE_CHECKING:
    from usersyncd.core.report import RunReport

MissingOption = Annotated[
    list[str] | None,
    typer.Option(
        "--accept-missing",
        metavar="ATTRIBUTE",
        help="Accept that no record of the directory has this attribute any more (repeatable).",
        show_default=False,
    ),
]


def unneeded(attributes: Collection[str], reports: Sequence[RunReport]) -> Iterator[ConfigError]:
    """What to say of each attribute that was accepted and that no directory lost. Nothing, if one was not read."""
    if any(report.error for report in reports):
        return
    names = ", ".join(report.directory for report in reports)
    lost = {name for report in reports if report.pull is not None for name in report.pull.accepted}
    for name in sorted(set(attributes) - lost):
        yield ConfigError(
            f"--accept-missing {name}: {names} did not lose this attribute, or no rule reads it",
            "nothing is to be accepted now; for a pull that is discarded, give the name that its message shows",
        )
