"""The interface of the strategies for finding changes."""

from __future__ import annotations

from collections.abc import Generator
from typing import ClassVar, Protocol

from usersyncd.plugin import Page
from usersyncd_ldap.cursor import State
from usersyncd_ldap.session import Session


class UnfitError(Exception):
    """This strategy does not work here. The text gives the reason and the remedy."""


class Strategy(Protocol):
    """One way of finding changes, for one pull."""

    name: ClassVar[str]
    """The value of the option ``strategy``."""
    never: ClassVar[frozenset[str]]
    """Attributes, in lower case, whose changes it does not see: they are not read at all."""

    def __init__(self, session: Session) -> None: ...

    def begin(self) -> tuple[State, str]:
        """The state after a complete pull that starts now; and a description of why the strategy works here. Raises
        UnfitError."""

    def changes(self, state: State) -> Generator[Page, None, tuple[State, bool]]:
        """The changes since ``state``. Returns the next state, and whether the pages name every existing record.

        Raises StaleError, before the first page, when the changes cannot be found.
        """


class PassedPages:
    """Passes on the pages and the return value of a strategy. ``any_items``: a page was not empty."""

    def __init__(self, pages: Generator[Page, None, tuple[State, bool]]) -> None:
        self._pages = pages
        self.any_items = False

    def __iter__(self) -> Generator[Page, None, tuple[State, bool]]:
        while True:
            try:
                page = next(self._pages)
            except StopIteration as end:
                found: tuple[State, bool] = end.value
                return found
            self.any_items = self.any_items or bool(page)
            yield page
