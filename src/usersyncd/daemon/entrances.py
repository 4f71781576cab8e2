"""What opens the web service: the tokens of the configuration, read from where it says."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import structlog
from starlette.routing import Route

from usersyncd.config import Config
from usersyncd.config.web import WebConfig
from usersyncd.daemon.reload import Loaded
from usersyncd.daemon.token_use import TokenUse
from usersyncd.errors import ConfigError
from usersyncd.plugin import ClientCredentials, Receiving, Secret, refuse_short_token
from usersyncd.secrets import open_secret
from usersyncd.web import scim
from usersyncd.web.auth import Credentials, Doorkeeper
from usersyncd.web.bucket import RequestBucket
from usersyncd.web.gates import DirectoryGate, Entrance
from usersyncd.web.oauth import OAuthClient, TokenEndpoint


def push_routes(
    loaded: Loaded, config: WebConfig, store_of: scim.StoreOf, use: TokenUse
) -> Callable[[Doorkeeper], list[Route]]:
    """Makes the routes of the directories that push. ``store_of``: the store of each."""
    entrances = {
        name: _entrance(loaded.config, name, receiving, use)
        for name, job in loaded.pulls.items()
        if (receiving := job.receiving) is not None
    }
    clients = {name: one.client for name, one in entrances.items() if one is not None and one.client is not None}
    proxies = config.trusted_proxies

    def routes(doorkeeper: Doorkeeper) -> list[Route]:
        return [
            TokenEndpoint(clients, doorkeeper, proxies).route(),
            *scim.routes(store_of, config.url, lambda app: DirectoryGate(app, entrances, doorkeeper, proxies)),
        ]

    return routes


def opened(config: Config, owner: str, tokens: Sequence[tuple[str, Secret]]) -> Credentials:
    """The credentials with these tokens. ``owner``: whose tokens they are, for errors. Raises ConfigError."""
    return Credentials([(name, _token(config, owner, name, secret)) for name, secret in tokens])


def _token(config: Config, owner: str, name: str, secret: Secret) -> str:
    text = open_secret(secret, folder=config.folder, owner=owner, log=structlog.get_logger())
    refuse_short_token(text, f"{owner}: the token {name}", ConfigError)
    return text


def _entrance(config: Config, directory: str, receiving: Receiving, use: TokenUse) -> Entrance | None:
    """What opens a directory that pushes; None, with an error in the log, if a token cannot be used: the other
    directories go on."""
    try:
        return Entrance(
            opened(config, directory, [(token.name, token.secret) for token in receiving.tokens]),
            None if receiving.client is None else _client(config, directory, receiving.client),
            RequestBucket(receiving.quota.requests_per_minute),
            receiving.quota.body,
            lambda name: use.note(directory, name),
        )
    except ConfigError as error:
        structlog.get_logger().error(
            f"the directory answers every push with 503: {error}",
            event_name="web.token_unreadable", directory=directory, code=error.code,
        )  # fmt: skip
        return None


def _client(config: Config, directory: str, client: ClientCredentials) -> OAuthClient:
    secret = _token(config, directory, client.client_id, client.client_secret)
    return OAuthClient(directory, client.client_id, secret)
