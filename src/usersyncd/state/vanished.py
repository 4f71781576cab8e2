"""Detects attributes that all records of a directory lost in one pull: the directory hides or renamed them, and nobody
emptied them one by one."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping

from msgspec import Struct
from sqlalchemy import Connection, select

from usersyncd.core.digest import encode
from usersyncd.core.guard import is_blank
from usersyncd.errors import SourceError
from usersyncd.plugin import Kind
from usersyncd.state.columns import KIND, NUMBER, decode
from usersyncd.state.database import among
from usersyncd.state.losses import Loss
from usersyncd.state.tables import links, records, target_names

PAGE = 1_000


class LostError(SourceError):
    """All records of a directory lost attributes in one pull, and nobody approved that."""

    def __init__(self, directory: str, losses: list[Loss]) -> None:
        self.losses = losses
        super().__init__(
            f"{'; '.join(map(str, losses))}: the pull was discarded, because the directory hides or renamed it",
            "give the account the right to read it, or the column its old name; if it is really empty everywhere, "
            f"`usersyncd approve {directory}`",
        )


class Watched(Struct, frozen=True):
    """The attributes whose loss discards a pull.

    ``reads``: the native attributes that rules read, by kind (None: all). If ``at_least`` records lost one of them and
    no record has it any more, the pull is discarded, unless the attribute is ``accepted``: a person approved its loss.
    ``targets``: the names of the targets that list the directory.
    """

    reads: Mapping[Kind, Collection[str] | None]
    at_least: int
    accepted: Collection[str]
    targets: Collection[str]


class Vanished:
    """Counts the attributes that the records of one directory lost in one pull.

    Deleted records that are still active in a target count, too: one fault may hide both records and attributes.
    """

    def __init__(self, connection: Connection, directory: int, watched: Watched) -> None:
        self._connection = connection
        self._directory = directory
        self._watched = watched
        self._lost = Counter[tuple[Kind, str]]()
        held = select(links.c.ref).join(target_names, target_names.c.target == links.c.target)
        self._held = held.where(target_names.c.name.in_(watched.targets), links.c.left_at.is_(None))
        """Selects the refs of records that are linked in these targets and are not leavers there."""

    def note(self, kind: Kind, before: str, after: str) -> None:
        """Count what one record lost. ``before`` and ``after``: its attributes as JSON."""
        kept = decode(after)
        self._lost.update(
            (kind, name)
            for name, value in decode(before).items()
            if not is_blank(value) and is_blank(kept.get(name)) and self._is_watched(kind, name)
        )

    def held(self, gone: Collection[int]) -> set[int]:
        """Those of these records that are still active in a target."""
        if not gone:
            return set()
        return set(self._connection.scalars(self._held.where(among(self._connection, links.c.ref, list(gone)))))

    def verify(self, name: str) -> list[str]:
        """Raises LostError if many records lost an attribute and no record has it any more. Returns the accepted
        attributes that no record has any more. ``name``: the directory."""
        accepted = self._watched.accepted
        lost = [
            Loss(kind, attribute, count)
            for (kind, attribute), count in self._had()
            if attribute not in accepted and count >= max(self._watched.at_least, 1) and not self._has(kind, attribute)
        ]
        if lost:
            raise LostError(name, lost)
        return sorted({name for kind, name in self._lost if name in accepted and not self._has(kind, name)})

    def _is_watched(self, kind: Kind, attribute: str) -> bool:
        reads = self._watched.reads[kind]
        return reads is None or attribute in reads

    def _had(self) -> list[tuple[tuple[Kind, str], int]]:
        """The lost attributes, each with the number of records that had it: records that lost it, and deleted
        records."""
        had = Counter(self._lost)
        if had:
            query = select(records.c.kind, records.c.attributes).where(
                records.c.directory == self._directory, records.c.gone_at.is_not(None), records.c.ref.in_(self._held)
            )
            for number, text in self._connection.execute(query.execution_options(yield_per=PAGE)):
                attributes, deleted_kind = decode(text), KIND[number]
                had.update(
                    (kind, name)
                    for kind, name in self._lost
                    if kind is deleted_kind and not is_blank(attributes.get(name))
                )
        return sorted(had.items())

    def _has(self, kind: Kind, attribute: str) -> bool:
        """Whether a record of the directory has a value of this attribute."""
        json_name = f"{encode(attribute).decode()}:"
        query = select(records.c.attributes).where(
            records.c.directory == self._directory,
            records.c.kind == NUMBER[kind],
            records.c.gone_at.is_(None),
            records.c.attributes.contains(json_name, autoescape=True),
        )
        with self._connection.execute(query.execution_options(yield_per=PAGE)) as rows:
            return any(not is_blank(decode(text).get(attribute)) for (text,) in rows)
