"""The rules of one target for one directory: compiled once, applied to every record.

docs/rules.md says what an expression means. The steps are a module each:

- ``cel`` has the library's parser, checker and evaluator; ``tree`` and ``wire`` are its expressions as data.
- ``scope`` says which names a rule may read, ``paths`` how they are read; ``plain`` finds the rules that need no
  evaluator. ``validity`` reads who is active, ``moments`` what a date means in a time zone.
- ``rewrite`` (with ``parts``) makes a tree in which an absent attribute is null instead of an error.
- ``expression`` compiles one expression. Where that fails, ``faults`` collects the reasons, ``hints`` says what was
  meant, ``repair`` replaces operators of other languages to find what else is wrong, and ``operands`` finds what the
  library accepts and never fits. ``time_uses`` finds when its value changes.
- ``evaluate`` and ``program`` evaluate, ``results`` says what comes out.
- ``mapping`` makes canonical attributes of native ones; ``compile`` makes ``Rules`` of a target's rules, ``shaping``
  applies them, and ``trace`` says how. ``condition`` is a condition over a target's columns.
"""

from __future__ import annotations

from usersyncd.core.rules.compile import RuleErrors, compile_rules
from usersyncd.core.rules.mapping import RuleError
from usersyncd.core.rules.shaping import RuleDependencies, Rules, TimedShape
from usersyncd.core.rules.trace import RuleTrace, ShapeTrace, ValueRead

__all__ = [
    "RuleDependencies", "RuleError", "RuleErrors", "RuleTrace", "Rules", "ShapeTrace", "TimedShape", "ValueRead",
    "compile_rules",
]  # fmt: skip
