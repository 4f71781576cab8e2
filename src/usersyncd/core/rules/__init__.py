"""The rules of one target for one directory: compiled once, applied to every record.

docs/rules.md says what an expression means. The steps are a module each:

- ``cel`` has the library's parser, checker and evaluator; ``tree`` and ``wire`` are its expressions as data.
- ``scope`` says which names a rule may read, ``paths`` how they are read; ``plain`` finds the rules that need no
  evaluator.
- ``rewrite`` (with ``parts``) makes a tree in which an absent attribute is null instead of an error.
- ``expression`` compiles one expression, ``hints`` says what was meant where that fails.
- ``evaluate`` evaluates, ``results`` says what comes out.
- ``mapping`` makes canonical attributes of native ones; ``compile`` makes ``Rules`` of a target's rules, and
  ``shaping`` applies them. ``condition`` is a condition over a target's columns.
"""

from __future__ import annotations

from usersyncd.core.rules.compile import RuleErrors, compile_rules
from usersyncd.core.rules.mapping import RuleError
from usersyncd.core.rules.shaping import Reads, Rules, TimedShape

__all__ = ["Reads", "RuleError", "RuleErrors", "Rules", "TimedShape", "compile_rules"]
