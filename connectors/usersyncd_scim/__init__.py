"""The SCIM connector: directories that push by SCIM 2.0 (docs/scim-entra.md, docs/scim-okta.md), and a target that
provisions into a service provider (docs/scim-target.md)."""

from __future__ import annotations

from usersyncd_scim.source import ScimSource
from usersyncd_scim.target import ScimTarget

__all__ = ["ScimSource", "ScimTarget"]
