"""The options of the source ``scim``."""

from __future__ import annotations

from pydantic import Field, field_validator

from usersyncd.plugin import Options, Secret


class TokenOptions(Options):
    """A bearer token with which the provider authenticates."""

    name: str = Field(min_length=1, max_length=60, description="A name for `status` and the log.")
    secret: Secret = Field(description="Where the token is. Use at least 32 random characters.")


class OAuthOptions(Options):
    """Client credentials (RFC 6749, section 4.4) for a provider that asks for an access token first."""

    client_id: str = Field(min_length=1, description="The client id that the provider sends.")
    client_secret: Secret = Field(description="Where the client's secret is.")


class QuotaOptions(Options):
    """How much the provider may send."""

    requests_per_minute: int = Field(default=6_000, ge=1, description="Requests per minute.")
    body: int = Field(default=2_000_000, ge=1_000, description="The largest body of a request, in bytes.")


class ScimSourceOptions(Options):
    """A directory that pushes by SCIM 2.0: the provider is configured with the address of usersyncd and a token."""

    tokens: list[TokenOptions] = Field(
        min_length=1,
        max_length=2,
        description="The bearer tokens that open the directory: one, and a second one while the provider changes over.",
    )
    oauth: OAuthOptions | None = Field(None, description="Client credentials, for a provider that asks for them.")
    quota: QuotaOptions = Field(QuotaOptions(), description="How much the provider may send.")

    @field_validator("tokens")
    @classmethod
    def _distinct(cls, tokens: list[TokenOptions]) -> list[TokenOptions]:
        if len({token.name for token in tokens}) < len(tokens):
            raise ValueError("two tokens have the same name")
        return tokens
