"""Replaces operators of other languages in a rule by CEL's, so that its other faults can be found."""

from __future__ import annotations

from usersyncd.core.model import Rule
from usersyncd.core.rules.hints import foreign_operators, operator
from usersyncd.errors import Place


def repaired(rule: Rule) -> Rule | None:
    """The rule with CEL's operators; None if none can be replaced. Each character keeps its place in the file."""
    text, behind = "", 0
    turns: list[tuple[int, Place]] = []
    for foreign in foreign_operators(rule.text):
        meant = operator(foreign.sign)
        if "(" in meant or "?" in meant:
            return None
        text += rule.text[behind : foreign.start]
        turns += _moved(rule, behind, foreign.start, len(text) - foreign.start)
        turns.append((len(text), rule.place(foreign.start)))
        text += meant
        behind = foreign.start + len(foreign.sign)
        turns.append((len(text), rule.place(behind)))
    if not behind:
        return None
    text += rule.text[behind:]
    turns += _moved(rule, behind, len(rule.text), len(text) - len(rule.text))
    return Rule(text, rule.at, tuple(turns))


def _moved(rule: Rule, start: int, end: int, by: int) -> list[tuple[int, Place]]:
    """The turns within a part of the text that moved ``by`` some characters."""
    return [(offset + by, place) for offset, place in rule.turns if start <= offset < end]
