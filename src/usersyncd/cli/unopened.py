"""Secrets of the web service that cannot be opened: who sends or reads with them is refused.

Other secrets need no such look: a run that cannot open one fails, and its report says so.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from typing import Any

from msgspec import Struct

from usersyncd import registry
from usersyncd.config import Config
from usersyncd.config.document import KeyPath
from usersyncd.errors import ConfigError
from usersyncd.job import receiving
from usersyncd.plugin import Secret, StreamOptions, refuse_short_token
from usersyncd.secrets import open_secret


class UnopenedSecret(Struct, frozen=True):
    """A secret that this process cannot open, and what that means. ``path``: its place in the configuration.
    ``certain``: no other process can open it either; an environment variable or a credential may be set for the service
    only."""

    path: str
    consequence: str
    message: str
    remedy: str | None
    certain: bool


class _Use(Struct, frozen=True):
    """A secret of the configuration. ``token``: it is compared, so it must not be short."""

    path: KeyPath
    owner: str
    secret: Secret
    consequence: str
    token: bool = True


def unopened_secrets(config: Config) -> list[UnopenedSecret]:
    """The secrets of directories that push, of streams of events and of the API that cannot be opened."""
    return [found for use in _uses(config) if (found := _tried(config, use)) is not None]


def _uses(config: Config) -> Iterator[_Use]:
    for name, directory in config.directories.items():
        pushes = receiving(directory, registry.source(directory.connector))
        where, refused = ("directories", name, "options"), f"every push of {name} is answered with 503"
        for number, token in enumerate(() if pushes is None else pushes.tokens):
            yield _Use((*where, "tokens", number, "secret"), name, token.secret, refused)
        if pushes is not None and pushes.client is not None:
            yield _Use((*where, "oauth", "client_secret"), name, pushes.client.client_secret, refused)
    for name, target in config.targets.items():
        if isinstance(target.options, StreamOptions):
            yield from _uses_of_stream(name, target.options)
    for number, program in enumerate(() if config.web is None else config.web.tokens):
        yield _Use(("web", "tokens", number, "secret"), "web", program.secret, "the daemon does not start")


def _uses_of_stream(name: str, options: StreamOptions) -> Iterator[_Use]:
    where = ("targets", name, "options")
    for number, reader in enumerate(options.tokens):
        refused = f"every request for the feed of {name} is answered with 503"
        yield _Use((*where, "tokens", number, "secret"), name, reader.secret, refused)
    if options.signing_key is not None:
        unsigned = f"no Security Event Token of {name} is sent"
        yield _Use((*where, "signing_key"), name, options.signing_key, unsigned, token=False)
    for endpoint, webhook in options.webhooks.items():
        unsent, here = f"nothing is sent to the endpoint {endpoint} of {name}", (*where, "webhooks", endpoint)
        for number, secret in enumerate(webhook.secrets):
            yield _Use((*here, "secrets", number), name, secret, unsent, token=False)
        if webhook.token is not None:
            yield _Use((*here, "token"), name, webhook.token, unsent, token=False)


def _tried(config: Config, use: _Use) -> UnopenedSecret | None:
    if use.secret.credential is not None and "CREDENTIALS_DIRECTORY" not in os.environ:
        return None  # systemd gives it to the service only.
    try:
        text = open_secret(use.secret, folder=config.folder, owner=use.owner, log=_Silent())
        if use.token:
            refuse_short_token(text, f"{use.owner}: the token", ConfigError)
    except ConfigError as error:
        path = ".".join(map(str, use.path))
        return UnopenedSecret(path, use.consequence, error.message, error.remedy, use.secret.file is not None)
    return None


class _Silent:
    """Takes the warning that everybody can read a secret: the daemon logs it."""

    def warning(self, *_: Any, **__: Any) -> None: ...


# ---- for a person


def show_unopened(found: Sequence[UnopenedSecret]) -> None:
    """Print them, each with what follows from it and what to do."""
    from rich.text import Text

    from usersyncd.cli import text

    for one in found:
        if one.certain:
            said, style = f"{one.message}: {one.consequence}", "bold red"
        else:
            said, style = f"{one.message} here; if the service does not have it either, {one.consequence}", "yellow"
        text.show(text.BLANK, Text(text.clean(said), style=style))
        if one.remedy:
            text.show(text.hanging("  → ", text.clean(one.remedy)))
