"""Step one, pull: take the connector's pages in, and see to it that they are whole."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import aclosing
from functools import partial
from typing import Any, cast

from usersyncd.blocking import to_its_end
from usersyncd.errors import SourceError
from usersyncd.plugin import Done, Gone, Kind, Members, Page, Patch, Present, Record, Source
from usersyncd.state.spool import Spool


async def pull(source: Source, cursor: str | None, spool: Spool, tick: Callable[[int], None]) -> Done:
    """Spool everything that the source says, and return its last word. ``tick`` is told how many items came.

    Raises SourceError when there is no last word or the source breaks the contract: the pull is void then, and nothing
    was changed.
    """
    done: Done | None = None
    async with aclosing(cast("Any", source.pull(cursor))) as pages:
        async for page in pages:
            if done is not None:
                raise _broken("went on after Done")
            if isinstance(page, Done):
                done = page
            else:
                _inspect(page)
                await to_its_end(partial(spool.add, page))
                tick(len(page))
    if done is None:
        raise SourceError(
            "the reading ended without its end mark: it is not whole, and was thrown away",
            "run it again; if it stays so, it is a fault of the connector",
        )
    if spool.doubtful:
        # Somebody changed whom we have never seen: take what is certain, and read everything again next time.
        return Done(cursor=None, complete=False)
    return done


def _inspect(page: Page) -> None:
    for item in page:
        if isinstance(item, Record | Patch | Present | Gone):
            if not isinstance(item.kind, Kind) or not isinstance(item.id, str) or not item.id:
                raise _broken(f"gave a record without kind or id: {item.kind!r} {item.id!r}")
        elif not isinstance(item, Members) or not item.group:
            raise _broken(f"gave something that is no record and no membership: {type(item).__name__}")


def _broken(what: str) -> SourceError:
    return SourceError(f"the connector {what}", "this is a fault of the connector: report it to its author")
