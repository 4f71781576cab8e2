from __future__ import annotations

from tests.config.plugins import acme

__all__ = ["acme"]
