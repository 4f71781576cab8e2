"""What a source yields: pages of items, and at the end ``Done``."""

from __future__ import annotations

from collections.abc import Sequence

from msgspec import Struct

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
