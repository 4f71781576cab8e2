"""The stream of a target whose journal is the delivery: opened before a delivery, pruned after it."""

from __future__ import annotations

from typing import cast

from usersyncd.blocking import to_its_end
from usersyncd.deliver.work import Work
from usersyncd.plugin import StreamOptions
from usersyncd.state import directories, progress_store, streams
from usersyncd.state.streams import Publication


async def open_stream(work: Work) -> None:
    """Create the target's stream, and a place in it for each of its endpoints, unless they exist. Raises StateError."""
    names = list(_options(work).webhooks)

    def opened() -> None:
        with work.database.write() as connection:
            streams.open_stream(connection, work.number, names)

    with_stream = await work.ask(lambda connection: streams.is_open(connection, work.number, names))
    if not with_stream:
        await to_its_end(opened)


async def publication(work: Work) -> Publication | None:
    """Where the delivery publishes its changes; None if the target has no stream."""
    if not work.job.rules.connector.capabilities.journalled:
        return None
    if _options(work).initial == "events":
        return Publication(work.number)
    numbers = await work.ask(directories.numbers)
    first = await work.ask(
        lambda connection: frozenset(
            name for name, number in numbers.items() if progress_store.load(connection, number, work.number) is None
        )
    )
    return Publication(work.number, first)


async def prune(work: Work) -> None:
    """Take events out of the stream that are old enough, and warn of endpoints that are given up. Raises StateError."""
    options = _options(work)

    def pruned() -> list[str]:
        with work.database.write() as connection:
            return streams.prune(
                connection,
                work.number,
                work.report.run,
                options.retention,
                options.retention_max,
                list(options.webhooks),
            )

    if await work.ask(
        lambda connection: streams.is_any_due(connection, work.number, work.report.run, options.retention)
    ):
        for name in await to_its_end(pruned):
            work.warn(
                f"the endpoint {name} is given up: it did not take events for {options.retention_max.days} days, and "
                f"they are pruned\n  → let its application read the snapshot, then `usersyncd events enable {name}`"
            )


def _options(work: Work) -> StreamOptions:
    return cast("StreamOptions", work.job.target.options)
