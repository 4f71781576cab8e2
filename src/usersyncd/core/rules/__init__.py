"""The rules of one target for one directory: compiled once, applied to every record.

docs/rules.md says what an expression means. The steps are a module each:

- ``cel`` wraps the library's parser, checker and evaluator; ``tree`` and ``wire`` represent its expressions as data.
- ``scope`` says which names a rule may read, ``paths`` how they are read; ``plain`` finds the rules that need no
  evaluator. ``validity`` decides whether a user is active, ``moments`` converts dates to moments of a time zone.
- ``rewrite`` (with ``parts``) makes a tree in which an absent attribute is null instead of an error.
- ``expression`` compiles one expression. If that fails, ``faults`` collects the reasons, ``hints`` suggests what to
  write instead, and ``repair`` replaces operators of other languages to find what else is wrong. ``operands`` finds
  comparisons that the library accepts but that can never hold. ``time_uses`` finds when the value changes.
- ``evaluate`` and ``program`` evaluate; ``results`` converts the results and words the errors.
- ``mapping`` converts native attributes to canonical ones. ``compile`` compiles a target's rules to ``Rules``,
  ``shaping`` applies them, and ``trace`` explains a shape. ``condition`` is a condition over a target's columns.
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
