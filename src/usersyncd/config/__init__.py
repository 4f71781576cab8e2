"""The configuration: :func:`load` reads a strict YAML file and returns frozen models."""

from __future__ import annotations

from usersyncd.config.duration import Complete
from usersyncd.config.load import load
from usersyncd.config.models import Config, DirectoryConfig, StateConfig, TargetConfig

__all__ = ["Complete", "Config", "DirectoryConfig", "StateConfig", "TargetConfig", "load"]
