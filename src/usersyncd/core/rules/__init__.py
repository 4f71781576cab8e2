"""The rules of one target for one directory: compiled once, applied to every record (docs/rules.md)."""

from __future__ import annotations

from usersyncd.core.rules.mapping import RuleError
from usersyncd.core.rules.shaping import Reads, RuleErrors, Rules, compile_rules

__all__ = ["Reads", "RuleError", "RuleErrors", "Rules", "compile_rules"]
