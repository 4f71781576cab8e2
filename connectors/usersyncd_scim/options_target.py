"""The options of a ``scim`` target."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from pydantic import Field

from usersyncd.plugin import OptionFile, Secret
from usersyncd_scim.options_service import Address, ProfileName
from usersyncd_scim.profile import Profile, own_files


class ScimTargetOptions(Profile):
    """A SCIM service provider. Any key of a profile may be written here, too: it replaces that of the profile."""

    url: Address = Field(
        description="the base address, below which /Users and /Groups are: https://api.example/scim/v2"
    )
    token: Secret = Field(description="the bearer token")
    profile: ProfileName = Field(
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

    def yaml_files(self, folder: Path) -> Sequence[OptionFile]:
        """The profile, unless it is built in."""
        return own_files(self.profile, folder)

    def overrides(self) -> Mapping[str, Any]:
        """The keys of the profile that the admin wrote here."""
        written = self.model_fields_set & Profile.model_fields.keys()
        return {name: self.model_dump(exclude_unset=True)[name] for name in written}
