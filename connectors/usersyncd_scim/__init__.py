"""Connector ``scim``: a directory that pushes by SCIM 2.0."""

from __future__ import annotations

from usersyncd_scim.source import ScimSource

__all__ = ["ScimSource"]
