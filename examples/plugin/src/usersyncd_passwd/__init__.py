"""Source connector ``passwd``: the accounts of a Unix machine."""

from __future__ import annotations

from usersyncd_passwd.source import PasswdSource

__all__ = ["PasswdSource"]
