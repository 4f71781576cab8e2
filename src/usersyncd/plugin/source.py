"""A source: what it yields, what it is given, and its methods."""

from __future__ import annotations

from collections.abc import AsyncIterator, Collection, Mapping, Sequence
from typing import Any, ClassVar, Protocol, runtime_checkable

from msgspec import Struct
from pydantic import BaseModel

from usersyncd.plugin.context import Context
from usersyncd.plugin.records import Kind, Value


class Record(Struct, frozen=True, gc=False):
    """A whole user or group, as its directory holds it.

    ``id`` is the directory's immutable id, never an address, a login name or a DN; at most 600 characters.
    ``attributes`` has native names; leave out what the directory does not hold. ``handles`` are other names by which a
    membership or a manager attribute may refer to this record (``"dn:uid=ada,ou=people,dc=acme"``, ``"uid:ada"``):
    write them in one normal form.
    """

    kind: Kind
    id: str
    attributes: dict[str, Value]
    handles: tuple[str, ...] = ()


class Patch(Struct, frozen=True, gc=False):
    """Only these attributes of a known record changed; ``None`` clears one. ``handles`` None: they are as they were."""

    kind: Kind
    id: str
    attributes: dict[str, Value]
    handles: tuple[str, ...] | None = None


class Present(Struct, frozen=True, gc=False):
    """This known record, and if it is a group its members, are as they were told last.

    For directories that answer a cursor by naming everything that is still there (the present phase of RFC 4533,
    section 3.3.2): such a pull ends with ``Done(complete=True)``, and what was neither told nor named so is gone. Where
    the record is not known after all, nobody is taken for gone, and the next pull is complete.
    """

    kind: Kind
    id: str


class Unread(Struct, frozen=True, gc=False):
    """The directory lists this record, but hides what the rules need of it: ``why`` names that, and the remedy.

    A known record stays as it was told last, an unknown one is left out; both fail by name. For single records: where
    the directory hides it of many, raise SourceError.
    """

    kind: Kind
    id: str
    why: str


class Members(Struct, frozen=True, gc=False):
    """Edges of one group, given by the members' ids or handles; users and nested groups alike.

    In an incremental pull ``whole`` replaces the group's members, otherwise edges are added and removed. In a complete
    pull a group may come in as many pieces as the source likes: its members are all that were ``added``.
    """

    group: str
    added: frozenset[str]
    removed: frozenset[str] = frozenset()
    whole: bool = False


class Gone(Struct, frozen=True, gc=False):
    """The directory says that this record is deleted."""

    kind: Kind
    id: str


class Done(Struct, frozen=True):
    """The end of a pull. It must come last: a pull without it is void and changes nothing.

    ``cursor`` is handed to the next pull (None: the next one is complete again). ``complete`` says that everything was
    listed, so what was not seen is gone.
    """

    cursor: str | None
    complete: bool


Page = Sequence[Record | Patch | Present | Unread | Members | Gone]
"""Some hundred to some thousand items; the order of items and pages has no meaning, except that the last word about a
record wins."""


class SourceContext(Context, Protocol):
    """What a source is given."""

    @property
    def reads(self) -> Mapping[Kind, frozenset[str] | None]:
        """The native attributes that the rules really read, for each kind; None: all. Ask the directory for no more."""

    @property
    def mapped(self) -> Mapping[Kind, Collection[str]]:
        """The canonical attributes of each kind that the admin maps (``attributes:`` of the directory): what stands
        under their names need not have their form."""

    @property
    def last_cursor(self) -> str | None:
        """The cursor of the last pull, also when ``pull`` is given none because everything is to be read: for what a
        source must know of that pull in any case, such as how far the server was. None: there is none."""


@runtime_checkable
class Source(Protocol):
    """Reads one directory."""

    api: ClassVar[int]
    Options: ClassVar[type[BaseModel]]
    mapping: ClassVar[Mapping[Kind, Mapping[str, str]]]
    """For each kind: canonical name -> native name, or a CEL expression over ``raw`` (anything that contains ``raw.``
    or ``raw[``). A canonical name that is left out maps to the native attribute of the same name; ``id`` is the
    record's id."""

    def __init__(self, options: Any, context: SourceContext) -> None: ...

    def pull(self, cursor: str | None) -> AsyncIterator[Page | Done]:
        """Read everything (``cursor`` None) or what changed since ``cursor``; a source may answer a cursor that it
        cannot use with a complete pull. Raise SourceError when the reading is not whole: never end quietly."""
        ...

    async def check(self) -> Sequence[str]:
        """Try the directory, and say in a few lines for a person what was found (server, version, rights). Raises
        SourceError."""
        ...
