"""Source connector ``google``: users, groups and memberships of Google Workspace and Cloud Identity."""

from __future__ import annotations

from usersyncd_google.source import GoogleSource

__all__ = ["GoogleSource"]
