"""A directory that pushes to a real state database, and a target in memory."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TypeVar

from tests.run.world import World
from usersyncd.job import PullJob
from usersyncd.plugin import AccessToken, Kind, Secret
from usersyncd.push.receiver import DirectoryReceiver
from usersyncd.scim.errors import ScimError
from usersyncd.scim.store import Operation, StoredResource
from usersyncd_scim import ScimSource
from usersyncd_scim.options_source import ScimSourceOptions

T = TypeVar("T")
OPTIONS = ScimSourceOptions.model_validate({"tokens": [AccessToken(name="first", secret=Secret(env="TOKEN"))]})


class PushingWorld(World):
    """``acme`` pushes. ``runs``: the ids of the runs that asked for deliveries, one for each commit."""

    def __init__(self, folder: Path, *, state: str | None = None) -> None:
        super().__init__(folder, state=state)
        self.runs: list[str] = []

    @property
    def job(self) -> PullJob:
        return self._job(ScimSource, OPTIONS)

    def receive(self, work: Callable[[DirectoryReceiver], Awaitable[T]]) -> T:
        """What ``work`` returns while the directory is received."""

        async def run() -> T:
            async with self.receiving() as receiver:
                return await work(receiver)

        return asyncio.run(run())

    @asynccontextmanager
    async def receiving(self) -> AsyncIterator[DirectoryReceiver]:
        """Receive the directory."""
        receiver = DirectoryReceiver(self.database, self.job, self.runs.append)
        task = asyncio.create_task(receiver.run())
        try:
            yield receiver
        finally:
            receiver.stop()
            await task

    def push(self, *operations: Operation) -> list[StoredResource | int | None]:
        """Send these requests at once. Returns what each gets: the resource, None, or the status of the error."""

        async def send(receiver: DirectoryReceiver) -> list[StoredResource | int | None]:
            answers = await asyncio.gather(*map(receiver.change, operations), return_exceptions=True)
            return [_answer(answer) for answer in answers]

        return self.receive(send)

    def created(self, *operations: Operation) -> list[str]:
        """Push, and return the ids of the resources."""
        answers = self.push(*operations)
        assert all(isinstance(answer, StoredResource) for answer in answers), answers
        return [answer.id for answer in answers if isinstance(answer, StoredResource)]

    def get(self, id_: str, kind: Kind = Kind.USER) -> StoredResource | None:
        return self.receive(lambda receiver: receiver.get(kind, id_, members=True, groups=True))

    def found(self, attribute: str, value: str, kind: Kind = Kind.USER) -> list[str]:
        async def look(receiver: DirectoryReceiver) -> Sequence[StoredResource]:
            return await receiver.lookup(kind, attribute, value, members=False)

        return [one.id for one in self.receive(look)]


def _answer(answer: StoredResource | BaseException | None) -> StoredResource | int | None:
    if isinstance(answer, ScimError):
        return answer.status
    if isinstance(answer, BaseException):
        raise answer
    return answer


def member_ids(resource: StoredResource | None) -> list[str]:
    assert resource is not None
    return [member.value for member in resource.members or resource.groups or ()]
