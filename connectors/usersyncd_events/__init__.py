"""The events target: applications are informed of what changes (docs/events.md)."""

from usersyncd_events.target import EventsTarget

__all__ = ["EventsTarget"]
