"""A source: the items that it yields, the context that it receives, and its methods."""

from __future__ import annotations

from collections.abc import AsyncIterator, Collection, Mapping, Sequence
from typing import Any, ClassVar, Protocol, runtime_checkable

from msgspec import Struct
from pydantic import BaseModel

from usersyncd.plugin.context import Context
from usersyncd.plugin.options import Secret
from usersyncd.plugin.records import Kind, Value


class Record(Struct, frozen=True, gc=False):
    """A user or group with all its attributes, as the directory holds it.

    ``id`` is the directory's immutable id, never an address, a login name or a DN; at most 600 characters.
    ``attributes`` has native names; leave out attributes that the directory does not hold. ``handles`` are other names
    by which a membership or a manager attribute may refer to this record (``"dn:uid=ada,ou=people,dc=acme"``,
    ``"uid:ada"``): write them in one normal form.
    """

    kind: Kind
    id: str
    attributes: dict[str, Value]
    handles: tuple[str, ...] = ()


class Patch(Struct, frozen=True, gc=False):
    """Changed attributes of a known record; ``None`` clears one. ``handles`` None: the handles did not change."""

    kind: Kind
    id: str
    attributes: dict[str, Value]
    handles: tuple[str, ...] | None = None


class Present(Struct, frozen=True, gc=False):
    """A known record that still exists and did not change; for a group, its members did not change either.

    For directories that answer a cursor with a list of everything that still exists (the present phase of RFC 4533,
    section 3.3.2): such a pull ends with ``Done(complete=True)``, and every record that was neither yielded nor named
    as present counts as deleted. When a named record is not in the snapshot, no record counts as deleted, and the next
    pull is complete.
    """

    kind: Kind
    id: str


class Unread(Struct, frozen=True, gc=False):
    """The directory lists this record but hides attributes that the rules need: ``why`` names them and the remedy.

    A known record keeps its last state, an unknown one is left out; the report names both as failed. Use it for single
    records: when the directory hides attributes of many records, raise SourceError.
    """

    kind: Kind
    id: str
    why: str


class Members(Struct, frozen=True, gc=False):
    """Memberships of one group, given by the members' ids or handles; users and nested groups alike.

    In an incremental pull ``whole`` replaces the group's members; otherwise members are added and removed. In a
    complete pull a source may yield several items for one group: its members are all that were ``added``.
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
    """The end of a pull. It must come last: a pull without it is discarded and changes nothing.

    ``cursor`` is passed to the next pull (None: the next pull is complete again). ``complete`` says that everything was
    listed: a record that was not listed counts as deleted.
    """

    cursor: str | None
    complete: bool


Page = Sequence[Record | Patch | Present | Unread | Members | Gone]
"""Some hundred to some thousand items. The order of items and pages has no meaning, except that the last item about a
record wins."""


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


class AccessToken(Struct, frozen=True):
    """A bearer token that opens a directory to its provider. ``name``: for messages."""

    name: str
    secret: Secret


class ClientCredentials(Struct, frozen=True):
    """The credentials of a provider that asks for an access token first (RFC 6749, section 4.4)."""

    client_id: str
    client_secret: Secret


class Quota(Struct, frozen=True):
    """How much a provider may send: requests per minute, and the bytes of the largest body."""

    requests_per_minute: int
    body: int


class Receiving(Struct, frozen=True):
    """How a directory pushes: by SCIM 2.0, opened by these tokens, or by the access tokens of this client."""

    tokens: tuple[AccessToken, ...]
    client: ClientCredentials | None
    quota: Quota


@runtime_checkable
class ReceivingSource(Source, Protocol):
    """A source whose directory may push by SCIM 2.0. usersyncd keeps the resources as records: their attributes are
    those of the resource (RFC 7643), so ``mapping`` maps these.

    While the directory pushes, ``pull`` yields no record, and ends with ``Done(complete=False)``.
    """

    @classmethod
    def receiving(cls, options: Any) -> Receiving | None:
        """How the directory pushes with these options; None: it is pulled."""
        ...


class Person(Struct, frozen=True):
    """One user as the directory holds it now: the ``record`` exactly as a pull yields it, and the groups that have the
    user as a direct member.

    ``groups``: the id of each group -> the names, of the record's id and handles, by which a pull would list the user
    in it. Groups that a pull would leave out may be included or not: only groups of the snapshot count. ``record``
    Unread: the directory hides attributes, and neither the record nor its memberships change.
    """

    record: Record | Unread
    groups: Mapping[str, frozenset[str]] = {}


Listed = Mapping[str, frozenset[str]]
"""The id of each group that lists a person in the snapshot -> the names by which it does."""


@runtime_checkable
class PersonSource(Source, Protocol):
    """A source that can read one person."""

    async def person(self, name: str, listed: Listed) -> Person | None:
        """Read the user whose id, user name or email is ``name``, and the groups that the user is directly in.

        ``listed``: the groups that list the user in the snapshot. Every one of them that is not in the answer loses the
        user; where the membership cannot be read, repeat the names of ``listed``. None: the directory says clearly that
        it has no such user, or a pull would leave the user out. Raises AmbiguousPersonError, with the candidates, if
        several users have the name; SourceError in any other doubt, also when only a pull can read the person."""
        ...
