"""The plugin contract: what a connector is given and what it gives back.

A *source* connector reads one directory, a *target* connector delivers to one target. Both are plain classes, named by
an entry point in the group ``usersyncd.sources`` or ``usersyncd.targets``, and constructed once per run::

    Source(options, context)        Target(options, context)

where ``options`` is an instance of the class's own ``Options`` model, already validated. A connector imports nothing of
usersyncd but this module and :mod:`usersyncd.errors`; what it needs of the world comes through its context. It never
retries, never sleeps and never logs a secret.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Mapping, Sequence
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Literal, Protocol, TypeVar, runtime_checkable

from msgspec import Struct
from pydantic import BaseModel, ConfigDict, model_validator

if TYPE_CHECKING:
    import httpx

API = 2
"""The version of this contract. A connector states it in ``api``; another number is refused when it is loaded."""

T = TypeVar("T")

Value = str | int | float | bool | None | list[Any] | dict[str, Any]
"""What an attribute may hold: what JSON can say. Dates are ISO 8601 text; bytes are for the connector to encode."""


class Kind(StrEnum):
    """The two kinds of record."""

    USER = "user"
    GROUP = "group"


CANONICAL: Mapping[Kind, tuple[str, ...]] = {
    Kind.USER: (
        "id", "userName", "email", "givenName", "familyName", "displayName", "active", "userType", "title",
        "department", "division", "costCenter", "organization", "employeeNumber", "manager", "preferredLanguage",
        "locale", "timezone", "phone", "mobile", "validFrom", "validUntil", "createdAt", "updatedAt",
    ),
    Kind.GROUP: ("id", "displayName", "description", "email"),
}  # fmt: skip
"""The canonical attributes, named as in SCIM core and its enterprise extension (RFC 7643, sections 4.1 to 4.3),
flat."""


# ---------------------------------------------------------------------------------------------- what a source yields


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


Page = Sequence[Record | Patch | Present | Members | Gone]
"""Some hundred to some thousand items; the order of items and pages has no meaning, except that the last word about a
record wins."""


# ------------------------------------------------------------------------------------------------ what a target gets


class Op(StrEnum):
    """What a change does. The first six are for users (groups: create, adopt, update, delete), the last two for
    memberships."""

    CREATE = "create"
    ADOPT = "adopt"
    UPDATE = "update"
    DEACTIVATE = "deactivate"
    REACTIVATE = "reactivate"
    DELETE = "delete"
    ADD = "add"
    REMOVE = "remove"


class Member(Struct, frozen=True, gc=False):
    """One end of a membership change: the record's id in its directory, its key in this target, and its target id
    (None only in a plan that is shown: when the change is delivered, it is there)."""

    kind: Kind
    id: str
    key: str | int
    target_id: str | None = None


class Change(Struct, frozen=True, gc=False):
    """One step of a plan.

    ``target_id`` is the target's own immutable identifier of the object, as an outcome, ``find`` or ``read`` gave it:
    everything but a create is addressed by it. For a record: ``key`` is the key that the object has now (for a create:
    will have). ``before`` is what the target was last known to hold and ``after`` what it is to hold, whole shapes;
    None where there is nothing. An update may change the key: then ``before`` and ``after`` differ in it. An adopt
    brings an object that was in the target before to the shape ``after``; ``before`` is what it held in the plan. The
    shapes of a leaver's deactivate are those of the last delivery: when the rules changed since then, ``after`` may
    lack attributes of the layout, the key too. These stay as they are.

    For memberships (op ADD or REMOVE): ``kind``, ``id``, ``key`` and ``target_id`` are those of the group and
    ``members`` is never empty; ``before`` and ``after`` are None.
    """

    op: Op
    kind: Kind
    directory: str
    id: str
    key: str | int
    before: dict[str, Value] | None = None
    after: dict[str, Value] | None = None
    members: tuple[Member, ...] = ()
    target_id: str | None = None


class Outcome(Struct, frozen=True, gc=False):
    """What became of one change.

    Nothing to say: delivered. ``target_id``: the object's identifier, which a create must give; any other change that
    was delivered may give a new one. ``absent``: the target has no object under the change's target id; a delete, a
    deactivate or a remove counts as delivered then, and what was to be updated, or to get members, is created by the
    next plan. ``error``: refused as a whole, and why. ``refused``: the members of a membership change that were
    refused, by id, each with its reason; ``gone`` are those of them that have no object in the target: the next plan
    creates it.
    """

    error: str | None = None
    refused: dict[str, str] = {}
    target_id: str | None = None
    absent: bool = False
    gone: frozenset[str] = frozenset()


DELIVERED = Outcome()
PROTECTED = "`protect` of the target names it: it is never changed or removed"
"""Why a change of a protected object is refused."""


def holds_protected(key: str, member: str | int) -> str:
    """Why the deletion of a group with a protected member is refused. ``key``: the name of the members' key."""
    return f"{key} {member!r} is in it: {PROTECTED}"


class Lookup(Struct, frozen=True, gc=False):
    """A record that may be in the target already: its directory, its id there, and the key that it is to have."""

    directory: str
    id: str
    key: str | int


class Held(Struct, frozen=True, gc=False):
    """An object as the target holds it now.

    ``attributes`` has the names of the layout, as far as the target has them, and whatever else of the object a
    ``protect`` condition may read. ``record``: directory and id of the record to which the object belongs, where the
    target itself keeps them. ``lasting``: its target id stays, whatever is written; it does not where rules write what
    identifies the object. ``protected_member``: the key of a protected user in this group, in an answer of ``read``:
    such a group is not deleted.
    """

    target_id: str
    key: str | int
    attributes: dict[str, Value]
    record: tuple[str, str] | None = None
    lasting: bool = True
    protected_member: str | int | None = None


class Capabilities(Struct, frozen=True):
    """How a target can be looked at.

    ``find``: ``bulk`` answers thousands of lookups in one query, ``each`` asks for one after the other, ``list`` reads
    everything whatever is asked; None: it cannot look. ``read``: objects can be read by target id.
    """

    find: Literal["bulk", "each", "list"] | None = "bulk"
    read: bool = True


class Layout(Struct, frozen=True):
    """How the records of one kind look in this target.

    ``attributes`` are the names that shapes have, in order; ``key`` is the one that identifies a record. ``ruled`` is
    True when the admin wrote ``set``: then the names are the admin's own, otherwise they are the canonical ones.
    ``constants`` are the attributes that have the same value in every shape: ``check`` can tell whether they fit.
    """

    attributes: tuple[str, ...]
    key: str
    ruled: bool
    constants: dict[str, Value] = {}


# ------------------------------------------------------------------------------------------------------------ options


class Options(BaseModel):
    """Base of a connector's ``Options``: frozen, and an unknown key is an error. Docstrings and
    ``Field(description=…)`` become the documentation of the JSON Schema."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, use_attribute_docstrings=True)


class Secret(BaseModel):
    """A reference to a secret, never the secret: exactly one of the four. Open it with ``Context.secret``."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, use_attribute_docstrings=True)

    credential: str | None = None
    """The name of a systemd credential (``LoadCredential=``), read from ``$CREDENTIALS_DIRECTORY``."""
    file: str | None = None
    """A file that holds the secret; relative to the configuration file. A trailing newline is cut."""
    env: str | None = None
    """An environment variable."""
    keyring: str | None = None
    """``SERVICE/NAME`` in the system's keyring."""

    @model_validator(mode="before")
    @classmethod
    def _no_literal(cls, value: Any) -> Any:
        if isinstance(value, Mapping | Secret):
            return value
        # The value itself stays out of the message: it may be the secret.
        raise ValueError(
            "a secret never stands in the file: write {credential: NAME}, {file: PATH}, {env: NAME} or "
            "{keyring: SERVICE/NAME}"
        )

    @model_validator(mode="after")
    def _exactly_one(self) -> Secret:
        if sum(value is not None for value in (self.credential, self.file, self.env, self.keyring)) != 1:
            raise ValueError("name exactly one of credential, file, env, keyring")
        return self


# ------------------------------------------------------------------------------------------------------------ contexts


class Patience(Struct, frozen=True):
    """How a connector's requests are repeated and paced."""

    retryable: Callable[[httpx.Response], bool] | None = None
    """Answers that are repeated besides 429, 500, 502, 503 and 504. Its body has been read."""
    load: Callable[[httpx.Response], float | None] | None = None
    """How much of its quota the provider says is used up, from 0 to 1 and above; None: it does not say. Above 0.8 the
    next requests are put off."""
    json: bool = True
    """A 200 whose body is no JSON, or only its beginning, is repeated: it comes from something in between."""
    concurrency: int = 8
    """Requests to one host under way at once, at the most."""
    per_minute: int | None = None
    """A known quota of one host; None: only what the provider's throttling teaches."""
    silence: float = 60.0
    """Seconds that a host may be silent before the request counts as failed."""
    seconds: float = 600.0
    """Seconds that one request may take, with all its repetitions and waits."""
    size: int = 64 * 1024 * 1024
    """Bytes that one answer may have, decompressed."""


PATIENT = Patience()


class Context(Protocol):
    """What every connector is given."""

    @property
    def name(self) -> str:
        """The directory's or target's name in the configuration."""

    @property
    def folder(self) -> Path:
        """Relative paths in options are relative to this folder: the configuration file's."""

    @property
    def log(self) -> Any:
        """A structlog logger, bound to the run."""

    def secret(self, secret: Secret) -> str:
        """Open a secret. Raises ConfigError, naming the reference, when there is nothing to open."""

    def blocking(self, work: Callable[[], Iterable[T]]) -> AsyncIterator[T]:
        """Run a blocking library's generator in one thread of its own, from its first step to its last, so that the run
        can be cancelled and other directories go on. The generator is closed in that thread."""

    def http(
        self, patience: Patience = PATIENT, *, ca_file: str | None = None, proxy: str | None = None
    ) -> httpx.AsyncClient:
        """A client on the patient transport: it waits when the provider asks for it, repeats what is worth repeating
        (GET and HEAD; another method where the request says ``extensions={"repeatable": True}``), and raises
        SourceError, or TargetError, naming host and remedy, when its patience ends. Every other answer is returned.

        Use it with ``async with``. What is left open is closed when the run ends. It follows no redirects.
        ``ca_file``: PEM file of the CAs to trust, relative to the configuration file (default: the system's, or
        ``$SSL_CERT_FILE``); ``proxy``: its URL (default: ``$HTTPS_PROXY``, ``$HTTP_PROXY`` and ``$NO_PROXY``)."""


class SourceContext(Context, Protocol):
    """What a source is given."""

    @property
    def reads(self) -> Mapping[Kind, frozenset[str] | None]:
        """The native attributes that the rules really read, for each kind; None: all. Ask the directory for no more."""


class TargetContext(Context, Protocol):
    """What a target is given."""

    @property
    def layouts(self) -> Mapping[Kind, Layout]:
        """How the shapes of each kind look."""

    @property
    def directories(self) -> Sequence[str]:
        """The directories that this target receives."""

    def protected(self, kind: Kind, key: str | int, attributes: Mapping[str, Value]) -> bool:
        """Whether ``protect`` of the configuration names this object, which holds these attributes now. Such an object
        and its memberships are never written: refuse what is asked of it, with the reason :data:`PROTECTED`."""

    def protects(self, kind: Kind) -> bool:
        """Whether ``protect`` names anything of this kind at all."""

    def protection_reads(self, kind: Kind) -> frozenset[str]:
        """The target's own columns that a ``protect`` condition reads: one that is not there is an error."""

    def unlinked(self, kind: Kind) -> Iterator[Lookup]:
        """Records that this target was given before it returned target ids, with the keys that they have there. Only
        for targets that were in use under contract 1."""


# ----------------------------------------------------------------------------------------------------------- protocols


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


@runtime_checkable
class Target(Protocol):
    """Delivers to one target."""

    api: ClassVar[int]
    Options: ClassVar[type[BaseModel]]
    capabilities: ClassVar[Capabilities]

    def __init__(self, options: Any, context: TargetContext) -> None: ...

    async def identity(self) -> str:
        """Which target this is, whatever the configuration calls it: server and tables, tenant, application. Called at
        the start of every run. Changes nothing. Raises TargetError when the target cannot be read, or cannot hold what
        the layouts ask for."""
        ...

    async def prepare(self) -> None:
        """Make the target ready to be written, before anything is looked up or delivered: its own tables, for example.
        Not called for a plan that is only shown; what would be made then counts as empty. Raises TargetError."""
        ...

    def find(self, kind: Kind, lookups: Sequence[Lookup]) -> AsyncIterator[tuple[Lookup, Held]]:
        """The objects that have one of these keys now, or that the target itself says are these records; each with the
        lookup that it answers. An object whose key the target takes for equal to the one asked for, though it differs
        (by case, by padding), is an answer too. Raises TargetError."""
        ...

    def read(self, kind: Kind, target_ids: Sequence[str]) -> AsyncIterator[Held]:
        """The objects under these target ids, as far as they are there. Raises TargetError."""
        ...

    def deliver(self, changes: Sequence[Change]) -> AsyncIterator[Outcome]:
        """Deliver a batch: one outcome per change, in the order of the changes, each yielded only once it is durable.

        A create never takes over an object that exists: it is refused. Deleting what is not there, adding a member
        that is there and removing one that is not succeed. Changes of one batch may exchange keys, or hand them on:
        what frees a value goes first. One refused change must not stop the others. Raise TargetError when the target as
        a whole cannot be written: what was not acknowledged is looked up by the next run."""
        ...

    async def check(self) -> Sequence[str]:
        """Try the target and say in a few lines for a person what was found. Changes nothing. Raises TargetError."""
        ...

    async def close(self) -> None:
        """Let go of connections. Called once, whatever happened."""
        ...


__all__ = [
    "API", "CANONICAL", "DELIVERED", "PATIENT", "PROTECTED", "Capabilities", "Change", "Context", "Done", "Gone",
    "Held", "Kind", "Layout", "Lookup", "Member", "Members", "Op", "Options", "Outcome", "Page", "Patch", "Patience",
    "Present", "Record", "Secret", "Source", "SourceContext", "Target", "TargetContext", "Value", "holds_protected",
]  # fmt: skip
