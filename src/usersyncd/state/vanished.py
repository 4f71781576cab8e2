"""Attributes that all records of a directory lost in one pull: they were hidden or renamed, not emptied one by one."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterator, Mapping

from msgspec import Struct
from sqlalchemy import Connection, select

from usersyncd.core.digest import encode
from usersyncd.errors import SourceError
from usersyncd.plugin import Kind, Value
from usersyncd.state.spool import NUMBER, decode
from usersyncd.state.tables import records


class Watched(Struct, frozen=True):
    """The native attributes that rules read (None: all). Those that ``at_least`` records lost while none kept it void
    the pull, unless a person ``accepted`` it."""

    reads: Mapping[Kind, Collection[str] | None]
    at_least: int
    accepted: Collection[str]


class Vanished:
    """Counts the attributes that the changed records of one pull lost."""

    def __init__(self, watched: Watched) -> None:
        self._watched = watched
        self._lost: dict[Kind, Counter[str]] = {kind: Counter() for kind in Kind}

    def note(self, kind: Kind, before: str, after: str) -> None:
        """One record changed: its attributes ``before`` and ``after``, as JSON."""
        kept = decode(after)
        self._lost[kind].update(
            name for name, value in decode(before).items() if _is_set(value) and not _is_set(kept.get(name))
        )

    def verify(self, connection: Connection, directory: int, name: str) -> None:
        """Raises SourceError if no record of the directory has an attribute any more that many had."""
        gone = [
            f"{attribute}: {count} {kind}s had it, and no {kind} has it now"
            for kind, attribute, count in self._suspects()
            if not _has(connection, directory, kind, attribute)
        ]
        if gone:
            options = " ".join(f"--accept-missing {line.partition(':')[0]}" for line in gone)
            raise SourceError(
                f"{'; '.join(gone)}: the pull was discarded, because the directory hides or renamed it",
                "give the account the right to read it, or the column its old name; if it is really empty everywhere, "
                f"`usersyncd sync {name} {options}`",
            )

    def _suspects(self) -> Iterator[tuple[Kind, str, int]]:
        for kind, lost in self._lost.items():
            reads = self._watched.reads[kind]
            for attribute, count in sorted(lost.items()):
                read = reads is None or attribute in reads
                if read and count >= max(self._watched.at_least, 1) and attribute not in self._watched.accepted:
                    yield kind, attribute, count


def _has(connection: Connection, directory: int, kind: Kind, attribute: str) -> bool:
    """Whether a record of the directory has a value of this attribute."""
    named = f"{encode(attribute).decode()}:"
    query = select(records.c.attributes).where(
        records.c.directory == directory,
        records.c.kind == NUMBER[kind],
        records.c.gone_at.is_(None),
        records.c.attributes.contains(named, autoescape=True),
    )
    with connection.execute(query.execution_options(yield_per=1_000)) as rows:
        return any(_is_set(decode(text).get(attribute)) for (text,) in rows)


def _is_set(value: Value) -> bool:
    return value is not None and value not in ("", [], {})
