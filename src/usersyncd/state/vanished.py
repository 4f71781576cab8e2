"""Attributes that all records of a directory lost in one pull: they were hidden or renamed, not emptied one by one."""

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
    """The native attributes that rules read (None: all). Those that ``at_least`` records lost while none kept it void
    the pull, unless a person approved that (``accepted``). ``targets``: the names of those that list the directory."""

    reads: Mapping[Kind, Collection[str] | None]
    at_least: int
    accepted: Collection[str]
    targets: Collection[str]


class Vanished:
    """Counts the attributes that the records of one directory lost in one pull.

    Who is gone and did not leave every target yet had them too: the same fault may hide records and attributes.
    """

    def __init__(self, connection: Connection, directory: int, watched: Watched) -> None:
        self._connection = connection
        self._directory = directory
        self._watched = watched
        self._lost = Counter[tuple[Kind, str]]()
        held = select(links.c.ref).join(target_names, target_names.c.target == links.c.target)
        self._held = held.where(target_names.c.name.in_(watched.targets), links.c.left_at.is_(None))
        """The refs of those who did not leave every target."""

    def note(self, kind: Kind, before: str, after: str) -> None:
        """One record changed: its attributes ``before`` and ``after``, as JSON."""
        kept = decode(after)
        self._lost.update(
            (kind, name)
            for name, value in decode(before).items()
            if not is_blank(value) and is_blank(kept.get(name)) and self._is_watched(kind, name)
        )

    def held(self, gone: Collection[int]) -> set[int]:
        """Those of these records that did not leave every target yet."""
        if not gone:
            return set()
        return set(self._connection.scalars(self._held.where(among(self._connection, links.c.ref, list(gone)))))

    def verify(self, name: str) -> list[str]:
        """Raises LostError if no record of the directory has an attribute any more that many had. Returns those of
        the accepted attributes that records lost and none has any more."""
        accepted = self._watched.accepted
        gone = [
            Loss(kind, attribute, count)
            for (kind, attribute), count in self._had()
            if attribute not in accepted and count >= max(self._watched.at_least, 1) and not self._has(kind, attribute)
        ]
        if gone:
            raise LostError(name, gone)
        return sorted({name for kind, name in self._lost if name in accepted and not self._has(kind, name)})

    def _is_watched(self, kind: Kind, attribute: str) -> bool:
        reads = self._watched.reads[kind]
        return reads is None or attribute in reads

    def _had(self) -> list[tuple[tuple[Kind, str], int]]:
        """The attributes that records lost, each with how many had it: of those who lost it, and of those who are
        gone."""
        had = Counter(self._lost)
        if had:
            query = select(records.c.kind, records.c.attributes).where(
                records.c.directory == self._directory, records.c.gone_at.is_not(None), records.c.ref.in_(self._held)
            )
            for number, text in self._connection.execute(query.execution_options(yield_per=PAGE)):
                whole = decode(text)
                had.update(one for one in self._lost if one[0] is KIND[number] and not is_blank(whole.get(one[1])))
        return sorted(had.items())

    def _has(self, kind: Kind, attribute: str) -> bool:
        """Whether a record of the directory has a value of this attribute."""
        named = f"{encode(attribute).decode()}:"
        query = select(records.c.attributes).where(
            records.c.directory == self._directory,
            records.c.kind == NUMBER[kind],
            records.c.gone_at.is_(None),
            records.c.attributes.contains(named, autoescape=True),
        )
        with self._connection.execute(query.execution_options(yield_per=PAGE)) as rows:
            return any(not is_blank(decode(text).get(attribute)) for (text,) in rows)
