"""Source connector ``entra``: users, groups and memberships of Microsoft Entra ID, by Microsoft Graph."""

from __future__ import annotations

from usersyncd_entra.source import EntraSource

__all__ = ["EntraSource"]
