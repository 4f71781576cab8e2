"""Pulling a tenant again and again while it changes."""

from __future__ import annotations

from pathlib import Path
from random import Random
from typing import Any

from tests.connectors.entra.tenants import same, source_of
from tests.fakes.graph import Graph, Tenant
from usersyncd.plugin import Present
from usersyncd.testing import DirectoryContent, Log, fold, read


class Follower:
    """Pulls repeatedly, as runs do: keeps the cursor and the merged content."""

    def __init__(self, graph: Graph, folder: Path) -> None:
        self.graph = graph
        self.folder = folder
        self.log = Log()
        self.cursor: str | None = None
        self.held = DirectoryContent()
        self.complete = False
        self.items: list[Any] = []

    async def pull(self, **more: Any) -> None:
        pull = await read(source_of(self.graph, self.folder, log=self.log, **more), self.cursor)
        (end,) = pull.ends
        self.items = list(pull.items)
        self.cursor, self.complete = end.cursor, end.complete
        if any(isinstance(item, Present) and (item.kind, item.id) not in self.held.records for item in self.items):
            self.cursor, self.complete = None, False  # as a run does
        self.held = fold(self.items, known=self.held) if self.complete else fold(self.items, self.held)

    @property
    def is_right(self) -> bool:
        return same(self.held, self.graph.tenant)


def people(tenant: Tenant) -> list[str]:
    return list(tenant.users)


def teams(tenant: Tenant) -> list[str]:
    return list(tenant.groups)


def something_happens(tenant: Tenant, random: Random) -> None:
    users, groups = people(tenant), teams(tenant)
    user, group = random.choice(users), random.choice(groups)
    match random.randrange(12):
        case 0:
            tenant.add_user(displayName=f"New {len(tenant.log)}")
        case 1 if len(users) > 30:
            tenant.delete(user)
        case 2 if tenant.bin:
            tenant.restore(random.choice(list(tenant.bin)))
        case 3 if tenant.bin:
            tenant.purge(random.choice(list(tenant.bin)))
        case 4:
            tenant.change(user, mail=random.choice([None, "a@acme.example", "b@acme.example"]))
        case 5:
            tenant.set_manager(user, random.choice([None, *users]))
        case 6 | 7:
            tenant.join(group, *random.sample(users, 5))
        case 8 | 9:
            tenant.leave(group, *random.sample(users, 20))
        case 10:
            tenant.join(tenant.add_group(displayName=f"group {len(tenant.log)}"), *random.sample(users, 15))
        case 11 if len(groups) > 4:
            tenant.delete(group)
        case _:
            tenant.change(group, description=random.choice([None, "x", "y"]))
