"""The options of the source ``scim``."""

from __future__ import annotations

from typing import Self

from pydantic import Field, field_validator, model_validator

from usersyncd.plugin import Options, Secret
from usersyncd_scim.options_service import Address, ProfileName


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
    """A directory that pushes by SCIM 2.0 (`tokens`), or a service provider that is pulled (`url` and `token`)."""

    tokens: list[TokenOptions] = Field(
        default=[],
        max_length=2,
        description="Of a directory that pushes: the bearer tokens that open it: one, and a second one while the "
        "provider changes over.",
    )
    oauth: OAuthOptions | None = Field(
        None, description="Of a directory that pushes: client credentials, for a provider that asks for them."
    )
    quota: QuotaOptions = Field(
        QuotaOptions(), description="Of a directory that pushes: how much the provider may send."
    )
    url: Address | None = Field(
        None,
        description="Of a service provider that is pulled: the base address, below which /Users and /Groups are.",
    )
    token: Secret | None = Field(None, description="Of a service provider that is pulled: the bearer token.")
    profile: ProfileName = Field(
        "strict",
        description="Of a service provider that is pulled: its profile, a built-in one or a YAML file (relative to the "
        "configuration).",
    )
    ca_file: str | None = Field(
        None, description="Of a service provider that is pulled: the PEM file of the CAs to trust."
    )

    @field_validator("tokens")
    @classmethod
    def _distinct(cls, tokens: list[TokenOptions]) -> list[TokenOptions]:
        if len({token.name for token in tokens}) < len(tokens):
            raise ValueError("two tokens have the same name")
        return tokens

    @model_validator(mode="after")
    def _has_one_form(self) -> Self:
        forms = (PUSHED & self.model_fields_set, PULLED & self.model_fields_set)
        if all(forms):
            pushed, pulled = (", ".join(sorted(form)) for form in forms)
            raise ValueError(
                f"either the directory pushes ({pushed}) or it is pulled ({pulled}): write `tokens` for the one, `url` "
                "and `token` for the other"
            )
        if not self.tokens and (self.url is None or self.token is None):
            raise ValueError(
                "write `tokens` for a directory that pushes, or `url` and `token` for a service provider that is pulled"
            )
        return self


PUSHED = {"tokens", "oauth", "quota"}
PULLED = {"url", "token", "profile", "ca_file"}
