"""The options of the source ``scim``."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Self

from pydantic import Field, field_validator, model_validator

from usersyncd.plugin import AccessToken, ClientCredentials, OptionFile, Options, Quota, Secret
from usersyncd_scim.options_service import Address, ProfileName
from usersyncd_scim.profile import own_files


class ScimSourceOptions(Options):
    """A directory that pushes by SCIM 2.0 (`tokens`), or a service provider that is pulled (`url` and `token`)."""

    tokens: list[AccessToken] = Field(
        default=[],
        max_length=2,
        description="Of a directory that pushes: the bearer tokens that open it: one, and a second one while the "
        "provider changes over.",
    )
    oauth: ClientCredentials | None = Field(
        None, description="Of a directory that pushes: client credentials, for a provider that asks for them."
    )
    quota: Quota = Field(Quota(), description="Of a directory that pushes: how much the provider may send.")
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
    def _distinct(cls, tokens: list[AccessToken]) -> list[AccessToken]:
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

    def yaml_files(self, folder: Path) -> Sequence[OptionFile]:
        """The profile, unless it is built in."""
        return own_files(self.profile, folder)


PUSHED = {"tokens", "oauth", "quota"}
PULLED = {"url", "token", "profile", "ca_file"}
