"""What every way of finding changes has to offer."""

from __future__ import annotations

from collections.abc import Generator
from typing import ClassVar, Protocol

from usersyncd.plugin import Page
from usersyncd_ldap.cursor import State
from usersyncd_ldap.reading import Reading


class UnfitError(Exception):
    """This strategy does not work here. The text says why, and what would help."""


class Strategy(Protocol):
    """One way of finding out what changed, during one pull."""

    name: ClassVar[str]
    """As the option ``strategy`` has it."""
    never: ClassVar[frozenset[str]]
    """Attributes, in lower case, whose changes it does not see: it is better not to read them at all."""

    def __init__(self, reading: Reading) -> None: ...

    def begin(self) -> tuple[State, str]:
        """Where to go on from after a complete reading that starts now; and, for a person, why it works here. Raises
        UnfitError."""

    def changes(self, state: State) -> Generator[Page, None, tuple[State, bool]]:
        """What changed since ``state``. Returns where to go on from, and whether everything that is there was named.

        Raises StaleError, before the first page, when that cannot be told.
        """


class Passing:
    """The pages of a strategy as they pass, with what it returns. ``told``: they said something."""

    def __init__(self, pages: Generator[Page, None, tuple[State, bool]]) -> None:
        self._pages = pages
        self.told = False

    def __iter__(self) -> Generator[Page, None, tuple[State, bool]]:
        while True:
            try:
                page = next(self._pages)
            except StopIteration as end:
                found: tuple[State, bool] = end.value
                return found
            self.told = self.told or bool(page)
            yield page
