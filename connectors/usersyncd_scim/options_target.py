"""The options of a ``scim`` target."""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

from pydantic import Field, field_validator

from usersyncd.plugin import Secret, scheme_lowered
from usersyncd_scim.profile import BUILT_IN, Profile, is_built_in_or_path


class ScimTargetOptions(Profile):
    """A SCIM service provider. Every key of a profile may stand here too: it overrides the profile's."""

    url: str = Field(description="the base address, below which /Users and /Groups are: https://api.example/scim/v2")
    token: Secret = Field(description="the bearer token")
    profile: str = Field(
        default="strict",
        description="the profile of the provider: a built-in one, or a YAML file (relative to the configuration)",
    )
    account: str | None = Field(
        default=None,
        description="the name of the workspace or tenant, if the address does not tell it: the accounts of another one "
        "are other accounts",
    )
    ca_file: str | None = Field(default=None, description="the PEM file of the CAs to trust")

    def places(self) -> Mapping[str, object]:
        """The service provider: users and groups of one address and account."""
        return {"resources": (self.url, self.account)}

    def overrides(self) -> Mapping[str, Any]:
        """The keys of the profile that the admin wrote here."""
        written = self.model_fields_set & Profile.model_fields.keys()
        return {name: self.model_dump(exclude_unset=True)[name] for name in written}

    @field_validator("url")
    @classmethod
    def _is_safe(cls, url: str) -> str:
        url = scheme_lowered(url).rstrip("/")
        parts = urlsplit(url)
        if parts.scheme not in ("https", "http") or not parts.hostname:
            raise ValueError("write https://HOST/PATH")
        if parts.query or parts.fragment or parts.username or parts.password:
            raise ValueError("write the address without a user, `?` and `#`: the token has an option of its own")
        if parts.scheme == "http" and not _is_loopback(parts.hostname):
            raise ValueError("over http:// everybody on the way could read the token: write https://")
        return url

    @field_validator("profile")
    @classmethod
    def _is_known(cls, profile: str) -> str:
        if not is_built_in_or_path(profile):
            raise ValueError(
                f"no built-in profile has this name: use {', '.join(BUILT_IN)}, or the path of a .yaml file"
            )
        return profile


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
