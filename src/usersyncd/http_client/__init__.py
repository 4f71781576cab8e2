"""The HTTP client of connectors: one transport that paces, waits and retries for all of them."""

from __future__ import annotations

from usersyncd.http_client.clients import Clients
from usersyncd.http_client.clock import Clock

__all__ = ["Clients", "Clock"]
