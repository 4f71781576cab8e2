"""The configuration: strict YAML in, frozen models out. ``load`` is the only way in."""

from __future__ import annotations

from usersyncd.config.duration import Complete
from usersyncd.config.load import load
from usersyncd.config.models import Config, DirectoryConfig, StateConfig, TargetConfig

__all__ = ["Complete", "Config", "DirectoryConfig", "StateConfig", "TargetConfig", "load"]
