"""Source connector ``csv``: users, groups and memberships from files."""

from __future__ import annotations

from usersyncd_csv.source import CsvSource

__all__ = ["CsvSource"]
