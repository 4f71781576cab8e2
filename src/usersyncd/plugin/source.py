"""A source: the context that it receives, and its methods."""

from __future__ import annotations

from collections.abc import AsyncIterator, Collection, Mapping, Sequence
from typing import Any, ClassVar, Protocol, runtime_checkable

from pydantic import BaseModel

from usersyncd.plugin.context import Context
from usersyncd.plugin.items import Done, Page
from usersyncd.plugin.records import Kind


class SourceContext(Context, Protocol):
    """The context that a source receives."""

    @property
    def reads(self) -> Mapping[Kind, frozenset[str] | None]:
        """The native attributes that the rules read, for each kind; None: all. Request only these from the
        directory."""

    @property
    def mapped(self) -> Mapping[Kind, Collection[str]]:
        """The canonical attributes of each kind that the admin maps (``attributes:`` of the directory): the native
        attributes of the same names need not have the canonical form."""

    @property
    def last_cursor(self) -> str | None:
        """The cursor of the last pull, also for a complete pull, whose ``cursor`` is None: some sources always need to
        know about the last pull, such as the server's position. None: there was no pull."""


@runtime_checkable
class Source(Protocol):
    """Reads one directory."""

    api: ClassVar[int]
    Options: ClassVar[type[BaseModel]]
    mapping: ClassVar[Mapping[Kind, Mapping[str, str]]]
    """For each kind: canonical name -> native name, or a CEL expression over ``raw`` (anything that contains ``raw.``
    or ``raw[``). A canonical name that is not listed maps to the native attribute of the same name; ``id`` is the
    record's id."""

    def __init__(self, options: Any, context: SourceContext) -> None: ...

    def pull(self, cursor: str | None) -> AsyncIterator[Page | Done]:
        """Read everything (``cursor`` None) or the changes since ``cursor``; a source may answer a cursor that it
        cannot use with a complete pull. Raises SourceError when the directory could not be read to its end: a pull
        never ends silently."""
        ...

    async def check(self) -> Sequence[str]:
        """Test the directory and describe it in a few lines for a person (server, version, rights). Raises
        SourceError."""
        ...
