"""HTTP for connectors: one transport that paces, waits and retries for all of them."""

from __future__ import annotations

from usersyncd.http.clients import Clients
from usersyncd.http.clock import Clock

__all__ = ["Clients", "Clock"]
