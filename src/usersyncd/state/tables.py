"""The tables of the state database. The migrations in ``migrations/`` create them; a test keeps the two alike.

Every record has a ``ref``, a number that is given only once, so that the members of a group are one sorted array of
numbers instead of a row per edge. A record that its directory has deleted keeps its row (``gone_at``) as long as a
target holds something of it, so that a leaver still has an id, and a person who returns is recognized.
"""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    Column,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    SmallInteger,
    Table,
    Text,
    text,
)

metadata = MetaData()

_LEFT = text("gone_at IS NOT NULL")
# No other query has this condition: with a plainer one, SQLite would prefer the index to `records_id`.
LISTED = text("coalesce(gone_at, '') = ''")
_LEAVER = text("left_at IS NOT NULL")
_STREAMED = text("stream IS NOT NULL")
_UNCLEAR = text("unresolved IS NOT NULL OR ambiguous IS NOT NULL")
Ref = BigInteger().with_variant(Integer, "sqlite")

counters = Table(
    "counters",
    metadata,
    Column("name", Text, primary_key=True),
    Column("next", BigInteger, nullable=False),
)

directories = Table(
    "directories",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("name", Text, nullable=False, unique=True),
    Column("cursor", Text, comment="what the connector needs to read only what changed"),
    Column("basis", Text, comment="digest of how it was read: with another one, a cursor is worth nothing"),
    Column("completed_at", Text, comment="when the last complete pull was saved"),
    Column(
        "revision",
        BigInteger,
        nullable=False,
        comment="counts the saved pulls; every change bears the number of its pull",
    ),
    Column("users", Integer, nullable=False),
    Column("groups", Integer, nullable=False),
    Column("memberships", Integer, nullable=False, comment="as the directory gives them, unresolved ones included"),
    Column("complete", SmallInteger, nullable=False, server_default=text("0"), comment="1: the last pull was complete"),
)

records = Table(
    "records",
    metadata,
    Column("ref", Ref, primary_key=True, autoincrement=False),
    Column("directory", Integer, ForeignKey("directories.id"), nullable=False),
    Column("kind", SmallInteger, nullable=False, comment="0 user, 1 group"),
    Column("id", Text, nullable=False),
    Column("digest", BigInteger, nullable=False),
    Column("attributes", Text, nullable=False, comment="JSON, native names"),
    Column("handles", Text, comment="JSON list"),
    Column("manager", BigInteger, comment="the name (see names) of a user's manager"),
    Column("revision", BigInteger, nullable=False, comment="the pull that last changed how it may be shaped"),
    Column("gone_at", Text),
    Index("records_id", "directory", "kind", "id", unique=True),
    # A pull of an unchanged directory reads this index alone: most rows lie in other pages than their neighbours by id.
    Index("records_known", "directory", "kind", "id", "ref", "digest", "gone_at"),
    Index("records_revision", "directory", "revision"),
    Index("records_manager", "directory", "manager"),
    Index("records_gone", "directory", sqlite_where=_LEFT, postgresql_where=_LEFT),
    Index("records_order", "directory", "kind", "ref", sqlite_where=LISTED, postgresql_where=LISTED),
)

names = Table(
    "names",
    metadata,
    Column("directory", Integer, ForeignKey("directories.id"), primary_key=True),
    Column("name", BigInteger, primary_key=True, autoincrement=False, comment="hash of an id or handle"),
    Column("ref", Ref, primary_key=True, autoincrement=False),
    Column("since", BigInteger, nullable=False, server_default=text("0"), comment="the pull that gave it the name"),
    Column("kind", SmallInteger, nullable=False, server_default=text("0"), comment="of the record: 0 user, 1 group"),
    sqlite_with_rowid=False,
)

memberships = Table(
    "memberships",
    metadata,
    Column("ref", Ref, primary_key=True, autoincrement=False, comment="the group"),
    Column("directory", Integer, ForeignKey("directories.id"), nullable=False, index=True),
    Column("digest", BigInteger, nullable=False, comment="of the names, in any order"),
    Column("count", Integer, nullable=False),
    Column("unresolved", Text, comment="JSON list of the ids and handles that nobody has"),
    # The blobs come last: SQLite reads a row from its beginning, and they are long.
    Column("ambiguous", LargeBinary, comment="the names that several records have: sorted int64"),
    Column("names", LargeBinary, nullable=False, comment="the members as the directory names them: sorted int64"),
    Column("users", LargeBinary, nullable=False, comment="refs of the members that are users: sorted uint32"),
    Column("groups", LargeBinary, nullable=False, comment="refs of the members that are groups: sorted uint32"),
    Index("memberships_unclear", "directory", sqlite_where=_UNCLEAR, postgresql_where=_UNCLEAR),
)

groups_by_name = Table(
    "groups_by_name",
    metadata,
    Column("directory", Integer, ForeignKey("directories.id"), primary_key=True),
    Column("name", BigInteger, primary_key=True, autoincrement=False, comment="hash of an id or handle"),
    Column("groups", LargeBinary, nullable=False, comment="refs of the groups that name a member so: sorted uint32"),
    sqlite_with_rowid=False,
)

membership_changes = Table(
    "membership_changes",
    metadata,
    Column("directory", Integer, ForeignKey("directories.id"), primary_key=True),
    Column("revision", BigInteger, primary_key=True, autoincrement=False, comment="the pull that changed the group"),
    Column("ref", Ref, primary_key=True, autoincrement=False, comment="the group"),
    Column("users", LargeBinary, nullable=False, comment="refs of the users that entered or left: sorted uint32"),
    Column("groups", LargeBinary, nullable=False, comment="refs of the groups that entered or left: sorted uint32"),
    sqlite_with_rowid=False,
)

targets = Table(
    "targets",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("identity", Text, unique=True, comment="the target's own; none until it was asked for the first time"),
    Column("name", Text, nullable=False, comment="what the configuration called it last"),
    Column("quarantined_at", Text, comment="since when (UTC) it refuses most changes; null: it does not"),
    Column("quarantine", Text, comment="what it refused then"),
)

target_names = Table(
    "target_names",
    metadata,
    Column("name", Text, primary_key=True, comment="what the configuration calls a target"),
    Column("target", Integer, ForeignKey("targets.id"), nullable=False, comment="which one that was last"),
)

places = Table(
    "places",
    metadata,
    Column("target", Integer, ForeignKey("targets.id"), primary_key=True),
    Column("kind", SmallInteger, primary_key=True, autoincrement=False),
    Column("place", Text, nullable=False, comment="where the target has its objects of this kind, by its own word"),
    sqlite_with_rowid=False,
)

links = Table(
    "links",
    metadata,
    Column("target", Integer, ForeignKey("targets.id"), primary_key=True),
    Column("ref", Ref, primary_key=True, autoincrement=False),
    Column("kind", SmallInteger, nullable=False),
    Column("key", Text, nullable=False, comment="JSON: the key that the object has"),
    Column("digest", BigInteger, nullable=False),
    Column("active", SmallInteger, nullable=False, comment="1 unless the shape says that it is not"),
    Column("state", SmallInteger, nullable=False, comment="core.links.State"),
    Column("left_at", Text, comment="since when a leaver is deactivated and kept"),
    Column("target_id", Text, comment="the target's own id of the object; none before contract 2"),
    Column("shape", Text, nullable=False, comment="JSON: what the object was last known to hold"),
    Index("links_key", "target", "kind", "key"),
    Index("links_object", "target", "kind", "target_id"),
    Index("links_left", "target", "left_at", sqlite_where=_LEAVER, postgresql_where=_LEAVER),
    sqlite_with_rowid=False,
)

link_members = Table(
    "link_members",
    metadata,
    Column("target", Integer, ForeignKey("targets.id"), primary_key=True),
    Column("ref", Ref, primary_key=True, autoincrement=False, comment="the group"),
    Column("unanswered", LargeBinary, comment="refs added or removed by a run that got no answer: sorted uint32"),
    Column("members", LargeBinary, nullable=False, comment="refs: sorted uint32"),
    sqlite_with_rowid=False,
)

sent = Table(
    "sent",
    metadata,
    Column("target", Integer, ForeignKey("targets.id"), primary_key=True),
    Column("directory", Integer, ForeignKey("directories.id"), primary_key=True),
    Column("content", LargeBinary, nullable=False, comment="the batch that has no answer yet: state.sent.Sent"),
)

target_progress = Table(
    "target_progress",
    metadata,
    Column("directory", Integer, ForeignKey("directories.id"), primary_key=True),
    Column("target", Integer, ForeignKey("targets.id"), primary_key=True),
    Column(
        "revision", BigInteger, nullable=False, comment="the pull up to which this target has been given everything"
    ),
    Column("fingerprint", Text, nullable=False, comment="of the rules by which it was shaped"),
    sqlite_with_rowid=False,
)

retries = Table(
    "retries",
    metadata,
    Column("target", Integer, ForeignKey("targets.id"), primary_key=True),
    Column("ref", Ref, primary_key=True, autoincrement=False, comment="what failed and is to be tried again"),
    Column("refusals", Integer, nullable=False, server_default=text("0"), comment="by the target, in a row"),
    Column("due", Text, comment="when (UTC); null: in the next delivery"),
    sqlite_with_rowid=False,
)

moments = Table(
    "moments",
    metadata,
    Column("target", Integer, ForeignKey("targets.id"), primary_key=True),
    Column("ref", Ref, primary_key=True, autoincrement=False),
    Column(
        "at", Text, nullable=False, comment="when (UTC) the record is to be shaped again: until then its shape holds"
    ),
    Index("moments_at", "target", "at"),
    sqlite_with_rowid=False,
)

outcomes = Table(
    "outcomes",
    metadata,
    Column("target_name", Text, primary_key=True, comment="what the configuration calls the target"),
    Column("directory_name", Text, primary_key=True),
    Column("run", Text, nullable=False, comment="the last delivery of the directory to the target"),
    Column("status", Text, nullable=False),
    Column("delivered_at", Text, comment="when the last delivery began that reached the target"),
    Column("succeeded_at", Text, comment="when the last delivery began that failed nowhere"),
    sqlite_with_rowid=False,
)

verifications = Table(
    "verifications",
    metadata,
    Column("target", Integer, ForeignKey("targets.id"), primary_key=True),
    Column("directory", Integer, ForeignKey("directories.id"), primary_key=True),
    Column("at", Text, comment="when the target was compared with its links; none: the next run has to"),
    sqlite_with_rowid=False,
)

harms = Table(
    "harms",
    metadata,
    Column("target", Integer, ForeignKey("targets.id"), primary_key=True),
    Column("directory", Integer, ForeignKey("directories.id"), primary_key=True),
    Column("sort", SmallInteger, primary_key=True, autoincrement=False, comment="core.guard.Sort"),
    Column("ref", Ref, primary_key=True, autoincrement=False, comment="the record that was changed, or the group"),
    Column("attribute", Text, primary_key=True, comment="the one that was emptied; empty for other sorts"),
    Column("kind", SmallInteger, comment="0 user, 1 group; none: both are counted together"),
    Column("run", BigInteger, primary_key=True, autoincrement=False, comment="the number of the run that did it"),
    Column("members", LargeBinary, comment="refs that were removed from the group: sorted uint32"),
    sqlite_with_rowid=False,
)

renames = Table(
    "renames",
    metadata,
    Column("target", Integer, ForeignKey("targets.id"), primary_key=True),
    Column("directory", Integer, ForeignKey("directories.id"), primary_key=True),
    Column("was", Text, primary_key=True, comment="a name of the directory that the target may still have"),
    sqlite_with_rowid=False,
)

held = Table(
    "held",
    metadata,
    Column("target", Integer, ForeignKey("targets.id"), primary_key=True),
    Column("directory", Integer, ForeignKey("directories.id"), primary_key=True),
    Column("hash", Text, nullable=False, comment="core.approvals.hash_of the changes"),
    Column("since", Text, nullable=False, comment="when a run first held exactly these changes"),
    Column("first", SmallInteger, nullable=False, comment="1: the first delivery, held whole"),
    Column("identities", LargeBinary, nullable=False, comment="gzip: a line of JSON for each"),
    Column("changes", LargeBinary, nullable=False, comment="gzip: a line of JSON for each"),
    sqlite_with_rowid=False,
)

decisions = Table(
    "decisions",
    metadata,
    Column("target", Integer, ForeignKey("targets.id"), primary_key=True),
    Column("directory", Integer, ForeignKey("directories.id"), primary_key=True),
    Column("number", BigInteger, primary_key=True, autoincrement=False),
    Column("approved", SmallInteger, nullable=False, comment="1 approved, 0 rejected"),
    Column("by", Text, nullable=False, comment="who: the real user under sudo"),
    Column("at", Text, nullable=False),
    Column("reason", Text),
    Column("hash", Text, nullable=False, comment="that of the changes that were shown"),
    Column("changes", Integer, nullable=False, comment="how many were decided"),
    sqlite_with_rowid=False,
)

decided = Table(
    "decided",
    metadata,
    Column("target", Integer, ForeignKey("targets.id"), primary_key=True),
    Column("directory", Integer, ForeignKey("directories.id"), primary_key=True),
    Column("digest", BigInteger, primary_key=True, autoincrement=False, comment="of the identity"),
    Column("identity", Text, nullable=False, comment="core.approvals.identity of a harmful change"),
    Column("decision", BigInteger, nullable=False, comment="the number of the last decision about it"),
    sqlite_with_rowid=False,
)

losses = Table(
    "losses",
    metadata,
    Column("directory", Integer, ForeignKey("directories.id"), primary_key=True),
    Column("kind", SmallInteger, primary_key=True, autoincrement=False, comment="0 user, 1 group"),
    Column("attribute", Text, primary_key=True, comment="the one that all records lost in a pull"),
    Column("count", Integer, nullable=False, comment="how many records had it"),
    Column("since", Text, nullable=False, comment="when a pull was first discarded for it"),
    Column("decision", BigInteger, comment="the number of the approval; none: nobody approved the loss"),
    Column("by", Text, comment="who: the real user under sudo"),
    Column("at", Text),
    Column("reason", Text),
    sqlite_with_rowid=False,
)

token_uses = Table(
    "token_uses",
    metadata,
    Column("directory", Integer, ForeignKey("directories.id"), primary_key=True),
    Column("token", Text, primary_key=True, comment="the name of the token that opens the directory"),
    Column("at", Text, nullable=False, comment="when the provider last used it"),
    sqlite_with_rowid=False,
)

full_pushes = Table(
    "full_pushes",
    metadata,
    Column("directory", Integer, ForeignKey("directories.id"), primary_key=True),
    Column("since", Text, nullable=False, comment="since when a full push is expected"),
    Column("by", Text, nullable=False, comment="who expects it: the real user under sudo"),
    sqlite_with_rowid=False,
)

seen_resources = Table(
    "seen_resources",
    metadata,
    Column("directory", Integer, ForeignKey("directories.id"), primary_key=True),
    Column("ref", Ref, primary_key=True, autoincrement=False, comment="what came since the full push is expected"),
    sqlite_with_rowid=False,
)

runs = Table(
    "runs",
    metadata,
    Column("id", Text, primary_key=True),
    Column("kind", SmallInteger, nullable=False, server_default=text("0"), comment="state.journal.RunKind"),
    Column("number", BigInteger, nullable=False, unique=True, comment="their order, whatever the clock said"),
    Column(
        "elapsed",
        BigInteger,
        nullable=False,
        comment="milliseconds from the directory's first run: the gaps between its runs, long ones cut short",
    ),
    Column("subject", Text, nullable=False),
    Column("started", Text, nullable=False),
    Column("finished", Text),
    Column("status", Text),
    Column("report", Text, comment="JSON: core.report.RunReport"),
    Index("runs_subject", "kind", "subject", "number"),
)

journal = Table(
    "journal",
    metadata,
    Column("run", Text, primary_key=True),
    Column("seq", Integer, primary_key=True, autoincrement=False),
    Column("target", Text, nullable=False),
    Column("directory", Text),
    Column("op", Text, nullable=False),
    Column("kind", Text, nullable=False),
    Column("id", Text, nullable=False),
    Column("key", Text, nullable=False, comment="JSON"),
    Column("before", Text, comment="JSON: what the change replaced"),
    Column("after", Text, comment="JSON: what it wrote"),
    Column("members", Text, comment="JSON: the members added or removed"),
    Column(
        "stream", Integer, comment="the target in whose stream the change is; none: in no stream, or pruned from it"
    ),
    Column("event", BigInteger, comment="the number of its first event; a membership has one event per member"),
    Column("target_id", Text, comment="the id of the object in the stream"),
    Column("at", Text, comment="when its events occurred (UTC); none: it never had any"),
    Column("redacted", SmallInteger, comment="1: key, before and after were erased"),
    Index("journal_id", "id"),
    Index("journal_stream", "stream", "event", unique=True, sqlite_where=_STREAMED, postgresql_where=_STREAMED),
    sqlite_with_rowid=False,
)

streams = Table(
    "streams",
    metadata,
    Column("target", Integer, ForeignKey("targets.id"), primary_key=True),
    Column("epoch", Text, nullable=False, comment="the identity of the numbers' history: another one after a restore"),
    Column("next", BigInteger, nullable=False, comment="the number of the next event"),
    Column("pruned", BigInteger, nullable=False, comment="events up to this number are not served any more"),
    Column("pruned_id", Text, nullable=False, comment="the id of that event; empty: there is none of this epoch"),
    Column("key", LargeBinary, nullable=False, comment="authenticates the cursors that readers got"),
    sqlite_with_rowid=False,
)

stream_objects = Table(
    "stream_objects",
    metadata,
    Column("target", Integer, ForeignKey("targets.id"), primary_key=True),
    Column("ref", Ref, primary_key=True, autoincrement=False),
    Column("version", BigInteger, nullable=False, comment="the number of the last event about the object"),
    sqlite_with_rowid=False,
)

endpoints = Table(
    "endpoints",
    metadata,
    Column("target", Integer, ForeignKey("targets.id"), primary_key=True),
    Column("name", Text, primary_key=True),
    Column("cursor", BigInteger, nullable=False, comment="every event up to this one is acknowledged or parked"),
    Column("acknowledged", Text, nullable=False, comment="JSON: the numbers above the cursor that are, too"),
    Column("failures", Integer, nullable=False, comment="attempts that failed since the last success"),
    Column("next_attempt", Text, comment="until when the endpoint is left alone (UTC)"),
    Column("succeeded_at", Text),
    Column("stopped", Text, comment="disabled or given_up: nothing is sent any more; none: it is in use"),
    Column("stopped_at", Text),
    Column("error", Text, comment="why it was stopped, or why the last attempt failed"),
    sqlite_with_rowid=False,
)

parked = Table(
    "parked",
    metadata,
    Column("target", Integer, ForeignKey("targets.id"), primary_key=True),
    Column("endpoint", Text, primary_key=True),
    Column("event", BigInteger, primary_key=True, autoincrement=False, comment="its number in the stream"),
    Column("object", Text, nullable=False, comment="the object that it is about: later events of it wait"),
    Column("attempts", Integer, nullable=False, comment="that failed; 0: it waits for an earlier event of the object"),
    Column("next_attempt", Text, comment="none: at once"),
    Column("dead", SmallInteger, nullable=False, comment="1: it is not sent any more"),
    Column("error", Text),
    sqlite_with_rowid=False,
)
