"""``usersyncd init``: a commented starting configuration."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from usersyncd.cli.common import say
from usersyncd.errors import ConfigError


def init(
    file: Annotated[Path, typer.Argument(metavar="[FILE]", help="The file to write.", show_default=True)] = Path(
        "usersyncd.yaml"
    ),
) -> None:
    """Write a commented starting configuration. An existing file is never overwritten."""
    from importlib.resources import files

    template = files("usersyncd.cli").joinpath("template.yaml").read_text("utf-8")
    try:
        with file.open("x", encoding="utf-8") as out:
            out.write(template)
    except FileExistsError:
        raise ConfigError(
            f"{file} exists already and was left as it is", "name another file: usersyncd init FILE"
        ) from None
    except OSError as error:
        raise ConfigError(
            f"{file} cannot be written: {error.strerror}", "name a file in a folder that you can write to"
        ) from None
    say(f"{file} is written. Edit it, then try it: usersyncd -c {file} check --online")
