"""The patient transport: all HTTP of the connectors goes through it, so waiting and repeating is done once."""

from __future__ import annotations

from usersyncd.http.clients import Clients
from usersyncd.http.clock import Clock

__all__ = ["Clients", "Clock"]
