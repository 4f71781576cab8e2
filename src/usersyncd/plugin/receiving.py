"""A source whose directory pushes by SCIM 2.0, and the options that say what opens it."""

from __future__ import annotations

from typing import Any, Protocol, runtime_checkable

from msgspec import Struct
from pydantic import Field

from usersyncd.plugin.options import Options, Secret
from usersyncd.plugin.source import Source


class AccessToken(Options):
    """A bearer token, by reference."""

    name: str = Field(min_length=1, max_length=60, description="Who uses it: `status` and the log name it.")
    secret: Secret = Field(description="Where the token is: at least 24 characters (`openssl rand -hex 32`).")


class ClientCredentials(Options):
    """The credentials of a provider that asks for an access token first (RFC 6749, section 4.4)."""

    client_id: str = Field(min_length=1, description="The client id that the provider sends.")
    client_secret: Secret = Field(description="Where the client's secret is.")


class Quota(Options):
    """How much a provider may send."""

    requests_per_minute: int = Field(default=6_000, ge=1, description="Requests per minute.")
    body: int = Field(default=2_000_000, ge=1_000, description="The largest body of a request, in bytes.")


class Receiving(Struct, frozen=True):
    """How a directory pushes: by SCIM 2.0, opened by these tokens, or by the access tokens of this client."""

    tokens: tuple[AccessToken, ...]
    client: ClientCredentials | None
    quota: Quota


@runtime_checkable
class ReceivingSource(Source, Protocol):
    """A source whose directory may push by SCIM 2.0. usersyncd keeps the resources as records: their attributes are
    those of the resource (RFC 7643), so ``mapping`` maps these.

    While the directory pushes, ``pull`` yields no record, and ends with ``Done(complete=False)``.
    """

    @classmethod
    def receiving(cls, options: Any) -> Receiving | None:
        """How the directory pushes with these options; None: it is pulled."""
        ...
