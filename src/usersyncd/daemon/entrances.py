"""What opens the web service: the tokens of the configuration, read from where it says."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial

import structlog
from starlette.routing import Route
from starlette.types import ASGIApp

from usersyncd.config import Config
from usersyncd.config.web import ApiToken, WebConfig
from usersyncd.daemon.reload import Loaded
from usersyncd.daemon.token_use import TokenUse
from usersyncd.errors import ConfigError
from usersyncd.plugin import AccessToken, ClientCredentials, Receiving, Secret, refuse_short_token
from usersyncd.secrets import open_secret
from usersyncd.web import scim
from usersyncd.web.auth import Credentials, Doorkeeper
from usersyncd.web.bucket import RequestBucket
from usersyncd.web.gates import DirectoryGate, Entrance, Gate
from usersyncd.web.oauth import OAuthClient, TokenEndpoint


def push_routes(
    loaded: Loaded, config: WebConfig, store_of: scim.StoreOf, use: TokenUse, closed: dict[str, ConfigError]
) -> Callable[[Doorkeeper], list[Route]]:
    """Makes the routes of the directories that push. ``store_of``: the store of each. ``closed`` gets those whose
    tokens cannot be used."""
    pushing = {name: job.receiving for name, job in loaded.pulls.items() if job.receiving is not None}
    makers = {name: partial(_entrance, loaded.config, name, receiving) for name, receiving in pushing.items()}
    entrances, unusable = entrances_of("directory", makers)
    closed.update(unusable)
    clients = {name: one.client for name, one in entrances.items() if one is not None and one.client is not None}
    bodies = {name: receiving.quota.body for name, receiving in pushing.items()}
    proxies = config.trusted_proxies

    def routes(doorkeeper: Doorkeeper) -> list[Route]:
        gate = Gate("directory", entrances, doorkeeper, proxies, use.note)
        endpoint = TokenEndpoint(clients, doorkeeper, proxies)

        def gated(app: ASGIApp) -> ASGIApp:
            return DirectoryGate(app, gate, bodies)

        return [endpoint.route(), *scim.routes(store_of, config.url, gated, endpoint.addresses(config.url))]

    return routes


def opened(config: Config, owner: str, tokens: Sequence[AccessToken | ApiToken]) -> Credentials:
    """The credentials with these tokens. ``owner``: whose tokens they are, for errors. Raises ConfigError."""
    return Credentials([(token.name, _token(config, owner, token.name, token.secret)) for token in tokens])


def _token(config: Config, owner: str, name: str, secret: Secret) -> str:
    text = open_secret(secret, folder=config.folder, owner=owner, log=structlog.get_logger())
    refuse_short_token(text, f"{owner}: the token {name}", ConfigError)
    return text


def entrances_of(
    what: str, makers: Mapping[str, Callable[[], Entrance]]
) -> tuple[dict[str, Entrance | None], dict[str, ConfigError]]:
    """The entrances of the things of a kind, by name; and why the tokens of some cannot be used: these are None and
    answer every request with 503, and the others go on. ``what``: directory or target."""
    entrances: dict[str, Entrance | None] = {}
    closed: dict[str, ConfigError] = {}
    for name, make in makers.items():
        try:
            entrances[name] = make()
        except ConfigError as error:
            entrances[name], closed[name] = None, error
            structlog.get_logger().error(
                f"the {what} answers every request with 503: {error}",
                event_name="web.token_unreadable", code=error.code, **{what: name},
            )  # fmt: skip
    return entrances, closed


def _entrance(config: Config, directory: str, receiving: Receiving) -> Entrance:
    bucket = RequestBucket(receiving.quota.requests_per_minute)
    client = None if receiving.client is None else _client(config, directory, receiving.client)
    return Entrance(opened(config, directory, receiving.tokens), lambda _token: bucket.take(), client)


def _client(config: Config, directory: str, client: ClientCredentials) -> OAuthClient:
    secret = _token(config, directory, client.client_id, client.client_secret)
    return OAuthClient(directory, client.client_id, secret)
