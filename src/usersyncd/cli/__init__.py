"""The command line: one module for each command, registered here.

A command ``NAME`` is the function ``NAME`` in ``cli/NAME.py``. It takes ``context: typer.Context`` and
``config: ConfigOption = None``, and calls ``load_config(context, config)``. It raises
:class:`~usersyncd.errors.UsersyncError` for an error that a person can correct, and ``typer.Exit(code)`` for another
exit code. Commands import heavy modules when they run: ``usersyncd --version`` must not wait for a database library.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import Annotated

import typer

from usersyncd.cleaning import clean
from usersyncd.cli.accounts import accounts
from usersyncd.cli.adopt import AdoptCommand
from usersyncd.cli.approve import approve, reject
from usersyncd.cli.check import check
from usersyncd.cli.common import ConfigOption, print_error, say
from usersyncd.cli.connectors import connectors
from usersyncd.cli.events import events
from usersyncd.cli.expect import expect
from usersyncd.cli.flags import Command, Group
from usersyncd.cli.forget import forget
from usersyncd.cli.history import history
from usersyncd.cli.init import init
from usersyncd.cli.plan import plan
from usersyncd.cli.run import run
from usersyncd.cli.schema import schema
from usersyncd.cli.show import show
from usersyncd.cli.status import status
from usersyncd.cli.streams import with_safe_streams
from usersyncd.cli.sync import sync
from usersyncd.cli.who import who
from usersyncd.errors import ConfigError, UsersyncError

app = typer.Typer(
    name="usersyncd",
    cls=Group,
    help="Keep an application's users, groups and memberships in step with its customers' directories.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
app.command(cls=Command)(init)
app.command(cls=Command)(run)
app.command(cls=Command)(check)
app.command(cls=AdoptCommand)(plan)
app.command(cls=AdoptCommand)(sync)
app.command(cls=Command)(approve)
app.command(cls=Command)(reject)
app.command(cls=Command)(status)
app.command(cls=Command)(history)
app.command(cls=Command)(show)
app.command(cls=Command)(who)
app.command(cls=Command)(forget)
app.command(cls=Command)(accounts)
app.command(cls=Command)(expect)
app.add_typer(events)
app.command(cls=Command)(schema)
app.command(cls=Command)(connectors)


def _version(wanted: bool) -> None:
    if wanted:
        from importlib.metadata import version

        say(f"usersyncd {version('usersyncd')}")
        raise typer.Exit


@app.callback()
def _common(
    context: typer.Context,
    config: ConfigOption = None,
    version: Annotated[  # noqa: ARG001 - its callback does it
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    context.obj = config


def _check_arguments(arguments: Sequence[str]) -> None:
    """Refuse arguments that are not UTF-8, which databases and JSON cannot hold, or that cannot be shown.

    Raises ConfigError.
    """
    for argument in arguments:
        if any("\ud800" <= letter <= "\udfff" for letter in argument):
            raise ConfigError(f"the argument {argument} is not UTF-8", "set the terminal's encoding to UTF-8")
        if (shown := clean(argument)) != argument:
            raise ConfigError(
                f"the argument {shown} has characters that cannot be shown", "type it instead of pasting it"
            )


def main() -> None:
    """Run the command line and end the process.

    Exit codes: 0 done, 1 failed, 2 usage or configuration, 3 a plan is held, 4 changes are waiting.
    """
    sys.exit(with_safe_streams(_run))


def _run() -> int:
    try:
        _check_arguments(sys.argv[1:])
        app()
    except UsersyncError as error:
        print_error(error)
        return error.exit_code
    except SystemExit as ended:
        return ended.code if isinstance(ended.code, int) else 0
    except Exception:
        from traceback import format_exc

        say(f"unexpected error: this is a fault of usersyncd: report it with these lines\n{format_exc()}", error=True)
        return 1
    return 0
